"""Run every benchmark in a process of its own and write `docs/benchmarks.md` and `out/bench/results.json`.

`python -m benchmarks NAME ...` measures only these anew; the other rows of the page stay as they are.

Each benchmark is `python -m benchmarks.<name>` and ends with one line of JSON. Machines are noisy: each
takes medians inside one run, and what compares two things is a ratio measured in that same run.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_SYNTAXES = {
    "implicit_le": "implicit little endian",
    "explicit_le": "explicit little endian",
    "explicit_be": "explicit big endian",
    "deflated": "deflated",
    "rle": "RLE",
    "jpeg_baseline": "JPEG baseline, 8 bits",
    "jpeg_extended": "JPEG extended, 12 bits",
    "jpeg_lossless_p14": "JPEG lossless, predictor 6",
    "jpeg_lossless_sv1": "JPEG lossless, predictor 1",
    "jpeg_ls": "JPEG-LS",
    "jpeg_ls_near": "JPEG-LS near-lossless",
    "jpeg_2000": "JPEG 2000",
    "jpeg_2000_lossy": "JPEG 2000, lossy",
    "htj2k": "HTJ2K",
}
_READING = {
    f"{syntax}_{figure}": words.format(name=name)
    for syntax, name in _SYNTAXES.items()
    for figure, words in {
        "images_per_s": "images of 3328 × 2560 loaded per second and core, {name}",
        "of_bare": "speed as a fraction of the bare decoder (uncompressed: of reading the file), {name}",
        "of_bare_noise": "the same for a picture of noise, {name}",
        "over_dcmtk": "loaded and resized, times as fast as dcmtk to PNG, read and resized, {name}",
    }.items()
}

#: name -> (figure key, what it says)
FIGURES: dict[str, dict[str, str]] = {
    "simulate": {"women_per_s": "simulated registry, women per second (tables written)"},
    "render": {
        "images_per_s_per_core_binning_8": "mammograms rendered per second and core, detector binned 8 × 8",
        "images_per_s_per_core_binning_4": "the same, binned 4 × 4",
        "images_per_s_per_core_binning_1": "the same, full detector matrix",
    },
    "read_dicom": {
        **_READING,
        "headers_per_s": "headers read per second and core",
        "headers_per_s_pydicom": "the same tags by pydicom",
    },
    "ingest": {
        "images_per_s_per_core": "mammograms ingested per second and core (DICOM → store)",
        "fraction_of_bare_decoding": "speed as a fraction of bare pixel decoding",
    },
    "segmentation": {
        "breast_ms_full": "finding the breast, 3328 × 2560, milliseconds of one core per image",
        "pectoral_ms_full": "finding the pectoral muscle, the same images",
        "breast_ms_small": "finding the breast, 832 × 640, milliseconds of one core per image",
        "pectoral_ms_small": "finding the pectoral muscle, the same images",
    },
    "archive": {
        "headers_per_s_per_core": "files through the header pass per second and core, walk to exams",
        "again_per_s_per_core": "the same when no file has changed",
        "peak_mb_small": "peak memory for 2 000 files, MB",
        "peak_mb_large": "peak memory for 20 000 files, MB",
    },
    "training": {
        "images_per_s": "training images per second (demo recipe, all cores)",
        "fraction_of_memory": "speed as a fraction of the same loop fed from memory",
    },
    "scoring": {"exams_per_s": "exams scored per second (one network, all cores)"},
    "conditional_logistic": {
        "seconds": "conditional logistic regression, 20 000 sets 1:3 × 10 covariates, one core, seconds",
        "statsmodels_over_forescreen": "statsmodels PHReg by strata on the same data, times as long",
    },
    "statistics_at_scale": {
        "delong_1e6_seconds": "AUC with DeLong's variance, 1 000 000 rows, seconds",
        "time_auc_seconds": "AUC by five years with its standard error, 112 621 women, seconds",
        "uno_seconds": "Uno's C with its standard error, 112 621 women, seconds",
        "harrell_seconds": "Harrell's C with its standard error, 112 621 women, seconds",
    },
    "clinical_bcrat": {
        "seconds": "BCRAT, 5-year risk of 1 000 000 women of 11 groups, one core, seconds",
        "frame_seconds": "the same from a csv file of BCRA's nine columns, seconds",
    },
    "clinical_icare": {
        "seconds": "iCARE-Lit, 5-year risk of 1 000 000 women, all factors known, one core, seconds",
        "unknown_seconds": "the same with a tenth of the factors unknown, averaged over, seconds",
    },
    "head_to_head": {
        "seconds": "2 000 bootstraps of 5 metrics, 4 models, 112 621 women, all cores, seconds",
        "peak_megabytes": "its peak memory, MB",
    },
    "evaluate": {
        "seconds": "whole `forescreen evaluate`, 4 models, 112 621 women, files to page, seconds",
        "peak_megabytes": "its peak memory, MB",
        "start_seconds": "until `forescreen evaluate` says what it reads, seconds",
        "refusal_seconds": "until it has loaded everything and refused a wrong file, seconds",
    },
}


def cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _measured(name: str, figures: dict[str, str], found: dict[str, float]) -> list[str]:
    return [
        f"| {text} | {found[key]:.3g} | `python -m benchmarks.{name}` |"
        for key, text in figures.items()
        if key in found
    ]


def _kept(name: str, figures: dict[str, str], page: list[str]) -> list[str]:
    """Rows of a benchmark that was not run now, as the page has them."""
    ends = f"| `python -m benchmarks.{name}` |"
    return [row for row in page if row.endswith(ends) and row.split(" | ")[0][2:] in figures.values()]


def main() -> int:
    results: dict[str, dict[str, float]] = {}
    failed = []
    chosen = sys.argv[1:] or list(FIGURES)
    strangers = [name for name in chosen if name not in FIGURES]
    if strangers:
        print(f"expected benchmarks among {', '.join(FIGURES)}, found {', '.join(strangers)}")
        return 2
    for name in chosen:
        print(f"benchmark {name} ...", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], capture_output=True, text=True, cwd=ROOT
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            failed.append(name)
            print(done.stderr[-2000:])
            continue
        results[name] = json.loads(lines[-1])
        print(f"  {lines[-1]}", flush=True)
    machine = {"cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    out = ROOT / "out" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps({"machine": machine, "figures": results}, indent=2) + "\n")
    path = ROOT / "docs" / "benchmarks.md"
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [
        row
        for name, figures in FIGURES.items()
        for row in (
            _measured(name, figures, results[name]) if name in results else _kept(name, figures, before)
        )
    ]
    page = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {machine['cores']} cores ({machine['cpu']}), "
        f"Python {machine['python']}. "
        "Medians within one run; on a shared machine, trust the ratios. Benchmarks run one by one, not all "
        "on one day.",
        "",
        "| figure | value | command |",
        "|---|---|---|",
        *rows,
        "",
    ]
    path.write_text("\n".join(page), encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
