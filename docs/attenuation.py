"""Write src/forescreen/images/tables/attenuation.csv: `python docs/attenuation.py`.

Needs spekpy 2.5 (spectra of mammography tubes [Poludniowski2021], MIT) and xraydb 4.5 (mass attenuation of the
elements [Elam2002], public domain), which are no dependencies of the package: make an environment of their own.
Tissue compositions and densities are those of [Hammerstein1979] (m).

For each beam and fat thickness H (mm), with S the energy absorbed in the detector:

    fat          ln S(no breast) - ln S(H fat), over H                     1/mm
    difference   a, and
    bend         b, of  ln S(H fat) - ln S(h of H dense) = a h - b h^2     1/mm, 1/mm2   (least squares, 0 < h < H)

No scatter. Detector: selenium of 0.2 mm behind tungsten, caesium iodide of 0.1 mm behind the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spekpy
import xraydb

TABLE = Path(__file__).resolve().parents[1] / "src" / "forescreen" / "images" / "tables" / "attenuation.csv"
FAT = ({"H": 0.112, "C": 0.619, "N": 0.017, "O": 0.251, "P": 0.001}, 0.93)
GLAND = ({"H": 0.102, "C": 0.184, "N": 0.032, "O": 0.677, "P": 0.005}, 1.04)
SELENIUM, IODIDE = ({"Se": 1.0}, 4.27, 0.02), ({"Cs": 0.5115, "I": 0.4885}, 4.51, 0.01)
#: Anode, filter, its thickness in mm, anode angle in degrees, tube voltages.
BEAMS = (
    ("MOLYBDENUM", "MOLYBDENUM", 0.030, 16, range(22, 35, 2)),
    ("MOLYBDENUM", "RHODIUM", 0.025, 16, range(24, 37, 2)),
    ("RHODIUM", "RHODIUM", 0.025, 16, range(24, 39, 2)),
    ("RHODIUM", "SILVER", 0.030, 16, range(26, 41, 2)),
    ("TUNGSTEN", "RHODIUM", 0.050, 20, range(22, 39, 2)),
    ("TUNGSTEN", "SILVER", 0.050, 20, range(24, 41, 2)),
    ("TUNGSTEN", "ALUMINUM", 0.600, 20, range(24, 41, 2)),
)
SYMBOLS = {"MOLYBDENUM": "Mo", "RHODIUM": "Rh", "SILVER": "Ag", "TUNGSTEN": "W", "ALUMINUM": "Al"}
THICKNESSES_MM = (5, 10, 20, 30, 45, 60, 80, 100)


def attenuation(composition: dict[str, float], energy_kev: np.ndarray, density: float) -> np.ndarray:
    """Linear attenuation in 1/mm, coherent scatter included."""
    mass = sum(w * xraydb.mu_elam(element, 1000 * energy_kev) for element, w in composition.items())
    return np.asarray(mass * density / 10)


def spectrum(anode: str, filter_material: str, filter_mm: float, angle: float, kvp: float):
    """Energies (keV) and photons behind filter, compression paddle (2.5 mm polycarbonate) and air."""
    beam = spekpy.Spek(kvp=kvp, th=angle, targ=SYMBOLS[anode], dk=0.5, z=65)
    beam.filter("Be", 0.8).filter(SYMBOLS[filter_material], filter_mm)
    beam.filter("Polycarbonate (Makrolon or Lexan)", 2.5).filter("Air", 600)
    return beam.get_spectrum()


def signal(photons, energy, detector, lengths) -> float:
    """Energy absorbed in the detector behind (attenuation, mm) pairs."""
    composition, density, cm = detector
    absorbed = 1 - np.exp(-attenuation(composition, energy, density) * 10 * cm)
    through = sum(mu * mm for mu, mm in lengths)
    return float(np.sum(photons * np.exp(-through) * absorbed * energy))


def rows_of(anode, filter_material, filter_mm, angle, kvp, detector=None):
    """(thickness, fat, difference, bend, largest error of h in mm that the two-term form makes)."""
    energy, photons = spectrum(anode, filter_material, filter_mm, angle, kvp)
    detector = detector or (SELENIUM if anode == "TUNGSTEN" else IODIDE)
    fat, gland = attenuation(FAT[0], energy, FAT[1]), attenuation(GLAND[0], energy, GLAND[1])
    bare = signal(photons, energy, detector, [])
    for thickness in THICKNESSES_MM:
        whole = signal(photons, energy, detector, [(fat, thickness)])
        h = np.linspace(0, thickness, 41)[1:]
        drop = np.array(
            [np.log(whole / signal(photons, energy, detector, [(fat, thickness - x), (gland, x)])) for x in h]
        )
        a, b = np.linalg.lstsq(np.column_stack([h, -(h**2)]), drop, rcond=None)[0]
        back = 2 * drop / (a + np.sqrt(np.maximum(a * a - 4 * b * drop, 0)))
        yield thickness, np.log(bare / whole) / thickness, a, b, float(np.abs(back - h).max())


def main() -> None:
    lines = [
        "# source: docs/attenuation.py; spectra SpekPy 2.5 (Poludniowski 2021), elements Elam 2002 (xraydb), "
        "tissues Hammerstein 1979; 1/mm and 1/mm2; no scatter",
        "anode,filter,kvp,thickness_mm,fat,difference,bend",
    ]
    worst = 0.0
    for anode, filter_material, filter_mm, angle, voltages in BEAMS:
        for kvp in voltages:
            for thickness, fat, a, b, error in rows_of(anode, filter_material, filter_mm, angle, kvp):
                worst = max(worst, error / thickness)
                lines.append(f"{anode},{filter_material},{kvp},{thickness},{fat:.6f},{a:.6f},{b:.4e}")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines) - 2} rows; two-term form: h wrong by at most {100 * worst:.2f} % of the thickness")


if __name__ == "__main__":
    main()
