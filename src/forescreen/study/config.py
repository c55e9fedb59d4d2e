"""study.toml: what a study is made of.

    [study]        name, description, seed
    [simulation]   a simulated registry (SimulationConfig)     | one of these
    [registry]     folder, identity                            | three says who
    [images]       table                                       | the women are
    [images]       dicom or table, identity, policy, rows, columns, spacing_mm, density
    [mammograms]   how simulated exams are rendered (RenderConfig)
    [cohort]       design, windows, matching, splits (CohortConfig)
    [training]     recipe and its overrides
    [evaluation]   EvaluationPlan; [[evaluation.peers]] name other models' predictions

Every section is a frozen dataclass beside its user; unknown sections and keys are errors that name the
nearest known one. Paths are relative to the folder of study.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..cohort.settings import CohortConfig
from ..configuration import build, only_known, read_toml
from ..errors import ConfigError
from ..evaluation.plan import EvaluationPlan, PeerTable
from ..images.geometry import Geometry
from ..simulation.mammograms import RenderConfig
from ..simulation.registry import SimulationConfig


@dataclass(frozen=True, kw_only=True)
class StudySection:
    """Name and seed of a study; the seed governs simulation, matching, splits and training."""

    name: str
    description: str = ""
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class RegistrySection:
    """Where the registry's tables lie. With `identity` "pseudonym" women and exams get keyed pseudonyms
    (the key file `pseudonym.key` is made beside study.toml, not in the folder of results);
    "study-numbers" keeps them."""

    folder: Path
    identity: Literal["pseudonym", "study-numbers"] = "pseudonym"


@dataclass(frozen=True, kw_only=True)
class ImagesSection:
    """Where the mammograms lie, on which canvas they are put (default: the recipe's), and whose percent
    density the members get: the registry's, or the one measured on the images (never a mixture)."""

    dicom: Path | None = None
    table: Path | None = None
    identity: Literal["pseudonym", "study-numbers"] = "pseudonym"
    policy: str = "screening"  # of a shipped name, or a TOML file
    rows: int | None = None
    columns: int | None = None
    spacing_mm: float | None = None
    density: Literal["registry", "image"] = "registry"

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "spacing_mm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(expected=f"{name} above 0", found=str(value), where="[images]")

    def geometry(self, default: Geometry) -> Geometry:
        """The canvas: what is given here, else what the recipe was made for."""
        return Geometry(
            rows=self.rows or default.rows,
            columns=self.columns or default.columns,
            spacing_mm=self.spacing_mm or default.spacing_mm,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSection:
    """Which recipe trains the image models; the other keys override it."""

    recipe: Literal["demo", "default", "paper"] = "demo"
    epochs: int | None = None
    n_members: int | None = None
    pretrained: Path | None = None  # encoder parameters (.safetensors), paper recipe


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A whole study. Exactly one source of women: simulation, registry, or an image table."""

    study: StudySection
    simulation: SimulationConfig | None = None
    registry: RegistrySection | None = None
    images: ImagesSection = field(default_factory=ImagesSection)
    mammograms: RenderConfig = field(default_factory=RenderConfig)
    cohort: CohortConfig = field(default_factory=CohortConfig)
    training: TrainingSection = field(default_factory=TrainingSection)
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    peers: tuple[PeerTable, ...] = ()

    def __post_init__(self) -> None:
        given = [
            name
            for name, present in (
                ("[simulation]", self.simulation is not None),
                ("[registry]", self.registry is not None),
                ("[images] table", self.images.table is not None and self.registry is None),
            )
            if present
        ]
        if len(given) != 1:
            raise ConfigError(
                expected="one source of women: [simulation], [registry], or [images] table alone",
                found=" and ".join(given) or "none",
                where="study.toml",
            )
        if self.registry is not None and (self.images.dicom is None) == (self.images.table is None):
            raise ConfigError(
                expected="[images] with either dicom = (a folder) or table = (a csv)",
                found="both" if self.images.dicom else "neither",
                where="study.toml",
            )

    @property
    def data_kind(self) -> str:
        """What the women are, in the report's words."""
        if self.simulation is not None:
            return "simulated registry"
        return "registry" if self.registry is not None else "image table"

    @property
    def matched(self) -> bool:
        """Whether cases and controls come in matched sets."""
        return self.cohort.design == "matched" and self.data_kind != "image table"


_SECTIONS: dict[str, type[Any]] = {
    "study": StudySection,
    "simulation": SimulationConfig,
    "registry": RegistrySection,
    "images": ImagesSection,
    "mammograms": RenderConfig,
    "cohort": CohortConfig,
    "training": TrainingSection,
    "evaluation": EvaluationPlan,
}


def read_study(path: Path) -> StudyConfig:
    """The study described by a TOML file. Raises ConfigError naming file, section and key."""
    raw = read_toml(path, what="a study file")
    only_known(raw, set(_SECTIONS), where=str(path), what="section")
    base = path.resolve().parent
    evaluation = raw.get("evaluation", {})
    if not isinstance(evaluation, dict):
        raise ConfigError(
            expected="a table of settings", found=type(evaluation).__name__, where=f"{path} [evaluation]"
        )
    evaluation = dict(evaluation)
    named = evaluation.pop("peers", [])
    if not isinstance(named, list) or not all(isinstance(peer, dict) for peer in named):
        raise ConfigError(
            expected="[[evaluation.peers]] with key, label, file, columns",
            found=repr(named),
            where=str(path),
        )
    peers = tuple(
        build(
            PeerTable,
            {**peer, "file": str(base / str(peer.get("file", "")))},
            where=f"{path} [[evaluation.peers]]",
        )
        for peer in named
    )
    for peer in peers:
        if not Path(peer.file).is_file():
            raise ConfigError(expected="a CSV of predictions", found="no such file", where=peer.file)
    sections = {**raw, "evaluation": evaluation, "images": _images(raw.get("images"), path)}
    if "study" not in raw:
        raise ConfigError(expected="a section [study] with a name", found="none", where=str(path))
    built = {
        name: build(_SECTIONS[name], values, where=f"{path} [{name}]", paths=_PATHS, base=base)
        for name, values in sections.items()
        if name in raw
    }
    return StudyConfig(**built, peers=peers)


def _images(values: object, path: Path) -> object:
    """The section [images] with a policy's file relative to the study file's folder."""
    if not isinstance(values, dict):
        return values
    if "digitised_film" in values:
        raise ConfigError(
            expected='policy = "digitised-film"',
            found="digitised_film",
            where=f"{path} [images]",
            remedy="The key is called policy now and names any intake policy",
        )
    policy = values.get("policy")
    if isinstance(policy, str) and policy.endswith(".toml"):
        return {**values, "policy": str(path.resolve().parent / policy)}
    return values


_PATHS = frozenset({"folder", "dicom", "table", "pretrained"})
