"""What is accepted, flagged and refused, where the limits lie, and which of several images is taken: as data.

In: the name of a shipped policy, or a TOML file that extends one. Out: a `Policy`. The default policy,
"screening", is `Policy()`: the default actions of `reasons` and the limits below. The others are the
files in policies/, which say in a few lines what they change.

    extends = "screening"          # a shipped policy, or another file
    description = "Films of the 1990s, mirrored by the scanner"
    prefer = ["whole", "newest"]

    [actions]                      # by code: accept, flag or refuse
    burned_in_annotation = "flag"

    [film_actions]                 # the same, for secondary captures that may be films only
    secondary_capture = "flag"

    [limits]
    min_side = 512
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..configuration import build, only_known, read_toml
from ..errors import ConfigError
from .reasons import BY_CODE, REASONS, Action

#: How to choose among several images of one view: rule and meaning. The first rule that tells decides.
PREFERENCES: dict[str, str] = {
    "for-presentation": "processed before raw",
    "for-processing": "raw before processed",
    "exposure": "an exposure before an image computed from tomosynthesis",
    "synthetic": "an image computed from tomosynthesis before an exposure",
    "whole": "the whole breast before a part of it (PartialView)",
    "implant-displaced": "implant-displaced before full-field",
    "newest": "the newest by acquisition date and time, then the highest instance number, then by UID",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Numbers at which a reason begins."""

    #: Fewest rows and columns (image_too_small).
    min_side: int = 128
    #: Smallest side of the field in mm: a spot field is smaller than any full field (image_too_small).
    min_field_mm: float = 50.0
    #: Contact views are 1.00-1.07, magnification views 1.5-2 (magnification).
    max_magnification: float = 1.2
    #: Ages outside are implausible (age_implausible).
    min_age_years: float = 18.0
    max_age_years: float = 110.0
    #: StudyDate and AcquisitionDate of one object further apart contradict each other (date_conflict).
    max_days_between_dates: float = 30.0
    #: So do PatientAge and the age by PatientBirthDate (age_conflict).
    max_years_between_ages: float = 2.0
    #: Largest share of the picture at its brightest value (saturated).
    max_saturated: float = 0.25

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not 0 <= value < float("inf"):
                raise ConfigError(expected=f"{limit.name} of 0 or more", found=str(value), where="[limits]")
        if self.max_saturated > 1:
            raise ConfigError(
                expected="max_saturated, a share of 0 to 1", found=str(self.max_saturated), where="[limits]"
            )
        if self.min_age_years > self.max_age_years:
            raise ConfigError(
                expected="min_age_years below max_age_years",
                found=f"{self.min_age_years:g} and {self.max_age_years:g}",
                where="[limits]",
            )


def _default_actions() -> dict[str, Action]:
    return {reason.code: reason.action for reason in REASONS}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One policy. `actions` and `film_actions` may be given in part; the others are the defaults.

    `film_actions` hold instead of `actions` for objects that may be digitised films: secondary captures of
    one grey frame. `machines` are the machines on which a model was validated, as "Maker Model" patterns
    of the shell (* ?); an empty list says nothing about machines.

    Raises ConfigError for codes, actions and rules that are unknown, and for facts that it would change.
    """

    name: str = "screening"
    description: str = "Digital mammography for presentation: the four standard views, nothing else"
    actions: dict[str, Action] = field(default_factory=_default_actions, hash=False)
    film_actions: dict[str, Action] = field(
        default_factory=lambda: {"pixel_spacing_missing": Action.FLAG}, hash=False
    )
    limits: Limits = Limits()
    prefer: tuple[str, ...] = ("for-presentation", "exposure", "whole", "implant-displaced", "newest")
    machines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"policy {self.name}"
        actions = _default_actions() | checked_actions(self.actions, where=f"{where} [actions]")
        film = checked_actions(self.film_actions, where=f"{where} [film_actions]")
        object.__setattr__(self, "actions", actions)
        object.__setattr__(self, "film_actions", film)
        object.__setattr__(self, "prefer", tuple(self.prefer))
        object.__setattr__(self, "machines", tuple(self.machines))
        only_known(self.prefer, set(PREFERENCES), where=f"{where} prefer", what="rule")
        if len(set(self.prefer)) != len(self.prefer):
            raise ConfigError(
                expected="each rule once", found=", ".join(self.prefer), where=f"{where} prefer"
            )

    def action(self, code: str, *, film: bool = False) -> Action:
        """What is done about a reason; `film`: for an object that may be a digitised film."""
        if film and code in self.film_actions:
            return self.film_actions[code]
        return self.actions[code]


def checked_actions(actions: dict[str, Any], *, where: str) -> dict[str, Action]:
    """Actions by code. Raises ConfigError for what is unknown or would change a fact."""
    only_known(actions, set(BY_CODE), where=where, what="code")
    checked: dict[str, Action] = {}
    for code, action in actions.items():
        if action not in list(Action):
            raise ConfigError(expected=f"{code} = accept, flag or refuse", found=repr(action), where=where)
        reason = BY_CODE[code]
        if not reason.changeable and action != reason.action:
            raise ConfigError(
                expected=f"{code} = {reason.action}, which no policy can change ({reason.meaning})",
                found=str(action),
                where=where,
                remedy="Leave it out; docs/reference/intake-policy.md tells which may be changed",
            )
        checked[code] = Action(action)
    return checked


def shipped() -> tuple[str, ...]:
    """The names of the policies that come with the package, the default one first."""
    names = sorted(
        entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
    )
    return ("screening", *names)


def load_policy(name_or_path: str | Path) -> Policy:
    """A shipped policy by its name, or the policy of a TOML file.

    Raises ConfigError for a name that is neither, naming those there are, and for a faulty file.
    """
    return _load(str(name_or_path), base=Path(), above=())


def _load(name: str, *, base: Path, above: tuple[str, ...]) -> Policy:
    if name == "screening":
        return Policy()
    if name in shipped():
        return _read(Path(str(_folder() / f"{name}.toml")), name, above)
    path = base / name
    if not path.is_file():
        raise ConfigError(
            expected=f"a policy ({', '.join(shipped())}) or the TOML file of one",
            found=repr(name),
            where="policy",
        )
    return _read(path, path.stem, above)


def _read(path: Path, name: str, above: tuple[str, ...]) -> Policy:
    where = path.name
    raw = read_toml(path, what="a policy")
    known = {"extends", "description", "prefer", "machines", "actions", "film_actions", "limits"}
    only_known(raw, known, where=where, what="key")
    if str(path) in above:
        raise ConfigError(
            expected="policies that do not extend each other in a circle", found=name, where=where
        )
    extends = _text(raw, "extends", "screening", where)
    basis = _load(extends, base=path.parent, above=(*above, str(path)))
    limits = _table(raw, "limits", where)
    return Policy(
        name=name,
        description=_text(raw, "description", basis.description, where),
        actions=basis.actions | checked_actions(_table(raw, "actions", where), where=f"{where} [actions]"),
        film_actions=basis.film_actions
        | checked_actions(_table(raw, "film_actions", where), where=f"{where} [film_actions]"),
        limits=replace(basis.limits, **_changed_limits(limits, where=f"{where} [limits]")),
        prefer=_texts(raw, "prefer", basis.prefer, where),
        machines=_texts(raw, "machines", basis.machines, where),
    )


def _changed_limits(values: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The limits that a file gives, checked."""
    checked = build(Limits, values, where=where)
    return {name: getattr(checked, name) for name in values}


def _table(raw: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(expected=f"a table [{key}]", found=repr(value), where=where)
    return value


def _text(raw: dict[str, Any], key: str, default: str, where: str) -> str:
    value = raw.get(key, default)
    if not isinstance(value, str):
        raise ConfigError(expected=f'{key} = "..."', found=repr(value), where=where)
    return value


def _texts(raw: dict[str, Any], key: str, default: tuple[str, ...], where: str) -> tuple[str, ...]:
    value = raw.get(key, default)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ConfigError(expected=f'{key} = ["...", "..."]', found=repr(value), where=where)
    return tuple(value)


def _folder() -> Any:
    return files("forescreen.dicom") / "policies"
