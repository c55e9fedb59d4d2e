"""The study, stage by stage, each resumable: what the command `forescreen study` runs.

    simulated registry   registry → cohort → mammograms → store → members → model → scores → evaluation
    real registry        store → cohort → members → model → scores → evaluation
    image table          store → cohort → members → model → scores → evaluation

Each stage has its own folder and is skipped when it was finished with the same settings and inputs
(`forescreen.stage`). Kill the process at any moment and run it again: it continues.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import __version__
from ..cohort.image_table import members_from_image_table
from ..cohort.members import read_cohort, select_cohort, write_cohort
from ..cohort.registry import RegistryTables, read_registry
from ..dicom.policy import load_policy
from ..dicom.reasons import CODES
from ..errors import CohortError
from ..evaluation.plan import PeerTable
from ..evaluation.run import concordance_lines, evaluate
from ..evaluation.tables_in import read_members, read_scores
from ..files import file_sha256, fingerprint, folder_listing, plain, read_json, write_csv, write_json
from ..identity import AS_GIVEN, Pseudonyms, load_or_make_key
from ..images.store import Store
from ..ingestion.pictures import CODES as PICTURE_CODES
from ..ingestion.run import ingest_dicom, ingest_table
from ..ingestion.table import read_image_table
from ..progress import Track, silent
from ..simulation.mammograms import render_exams
from ..simulation.oracle import export_oracle
from ..simulation.registry import simulate_registry
from ..stage import MARKER, Stage
from .config import StudyConfig
from .link import link_exams, with_image_density, with_images

if TYPE_CHECKING:
    from ..training.recipe import Recipe

Announce = Callable[[str, dict[str, Any], float], None]


def _quiet(name: str, summary: dict[str, Any], seconds: float) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """One study in one folder, with the machine's means: processes, device, who watches."""

    config: StudyConfig
    folder: Path
    key_file: Path | None = None  # of pseudonyms; better not in the folder, which people share
    workers: int = 1
    device: str = "cpu"
    track: Track = silent
    announce: Announce = _quiet

    def run(self) -> dict[str, Any]:
        """Run or continue all stages; returns the results, which also lie in `results.json`."""
        if self.config.simulation is not None:
            source = self._simulate()
            cohort = self._cohort(upstream=source)
            pictures = self._render(upstream=cohort)
            store = self._ingest(self.folder / "mammograms", upstream=pictures)
        else:
            store = self._ingest(self.config.images.dicom, upstream="")
            cohort = self._cohort(upstream=store)
        members = self._members(upstream=fingerprint(store, cohort))
        model = self._train(upstream=members)
        scores = self._score(upstream=model)
        return self._evaluate(upstream=scores)

    # Each stage: claim the folder, work, account. -------------------------------------------------

    def _stage(self, name: str, made_from: dict[str, Any], work: Callable[[Path], dict[str, Any]]) -> str:
        stage = Stage(name, self.folder / name, {"version": __version__, **made_from})
        if stage.begin():
            started = time.monotonic()
            summary = plain(work(stage.folder))
            stage.finish(summary, started=started)
            self.announce(name, summary, time.monotonic() - started)
        else:
            self.announce(f"{name}: finished before", stage.summary(), 0.0)
        return stage.fingerprint

    def _simulate(self) -> str:
        assert self.config.simulation is not None
        config = replace(self.config.simulation, seed=self.config.study.seed)

        def work(folder: Path) -> dict[str, Any]:
            summary = simulate_registry(config, folder, track=self.track)
            export_oracle(folder, folder / "oracle.csv")
            return dict(plain(summary))

        return self._stage("registry", {"simulation": plain(config)}, work)

    def _cohort(self, *, upstream: str) -> str:
        seed = self.config.study.seed
        made_from: dict[str, Any] = {"cohort": plain(self.config.cohort), "seed": seed, "upstream": upstream}
        if self.config.registry is not None:
            names = ("women.csv", "exams.csv", "cancers.csv")
            made_from["registry"] = {n: file_sha256(self.config.registry.folder / n) for n in names}
            made_from["identity"] = self.config.registry.identity

        def work(folder: Path) -> dict[str, Any]:
            if self.config.data_kind == "image table":
                table = read_image_table(self._image_table(), pseudonyms=self._pseudonyms("images"))
                cohort = members_from_image_table(table, self.config.cohort, seed=seed)
            else:
                tables = self._registry_tables()
                available = None
                links: dict[str, str] = {}
                if self.config.simulation is None:
                    links = link_exams(tables.exams, Store.open(self.folder / "store").manifest)
                    if not links:
                        raise CohortError(
                            expected="registry exams that have mammograms",
                            found=f"none of {len(tables.exams)} exams meets a stored one",
                            where="linking by exam number, then by woman and date",
                            remedy="AccessionNumber should be the registry's exam_id, or PatientID its "
                            "woman_id; check [registry] identity and [images] identity",
                        )
                    available = frozenset(links)
                cohort = select_cohort(
                    tables, self.config.cohort, available_exams=available, seed=seed, track=self.track
                )
                if links:
                    cohort.members["exam_id"] = cohort.members["exam_id"].map(links)
            write_cohort(cohort, folder)
            counts = cohort.members["outcome"].value_counts().to_dict()
            return {
                "exams": len(cohort.members),
                "sets": int(cohort.members["set_id"].replace("", None).nunique()),
                "outcomes": {str(k): int(v) for k, v in counts.items()},
                "split": {str(k): int(v) for k, v in cohort.members["split"].value_counts().items()},
            }

        return self._stage("cohort", made_from, work)

    def _render(self, *, upstream: str) -> str:
        config = replace(self.config.mammograms, seed=self.config.study.seed)

        def work(folder: Path) -> dict[str, Any]:
            members = read_cohort(self.folder / "cohort").members
            exams = tuple(sorted(members["exam_id"].unique()))
            summary = render_exams(
                self.folder / "registry",
                exams,
                folder,
                config=config,
                workers=self.workers,
                track=self.track,
            )
            return {**plain(summary), "images_per_s_per_core": summary.images_per_second / self.workers}

        return self._stage("mammograms", {"mammograms": plain(config), "upstream": upstream}, work)

    def _ingest(self, dicom: Path | None, *, upstream: str) -> str:
        images = self.config.images
        geometry = self._recipe().geometry
        made_from: dict[str, Any] = {
            "geometry": plain(geometry),
            "policy": plain(load_policy(images.policy)),
            "upstream": upstream,
        }
        if not upstream:
            made_from["source"] = folder_listing(dicom) if dicom else file_sha256(self._image_table())
            made_from["identity"] = images.identity
        pseudonyms = AS_GIVEN if self.config.simulation is not None else self._pseudonyms("images")

        def work(folder: Path) -> dict[str, Any]:
            if dicom is not None:
                summary = ingest_dicom(
                    dicom,
                    folder,
                    geometry=geometry,
                    pseudonyms=pseudonyms,
                    policy=load_policy(images.policy),
                    apart_from=frozenset({MARKER}),
                    workers=self.workers,
                    track=self.track,
                )
            else:
                summary = ingest_table(
                    self._image_table(),
                    folder,
                    geometry=geometry,
                    pseudonyms=pseudonyms,
                    workers=self.workers,
                    track=self.track,
                )
            return dict(plain(summary))

        return self._stage("store", made_from, work)

    def _members(self, *, upstream: str) -> str:
        density = self.config.images.density

        def work(folder: Path) -> dict[str, Any]:
            cohort = read_cohort(self.folder / "cohort")
            store = Store.open(self.folder / "store")
            kept, step = with_images(cohort.members, frozenset(store.exam_ids), matched=self.config.matched)
            if kept.empty:
                raise CohortError(
                    expected="members with mammograms", found="none", where=str(self.folder / "store")
                )
            if density == "image":
                kept = with_image_density(kept, store.manifest)
            write_csv(folder / "members.csv", kept)
            write_json(folder / "flow.json", [*plain(cohort.flow), step])
            return {"exams": len(kept), "lost": len(cohort.members) - len(kept)}

        return self._stage("members", {"density": density, "upstream": upstream}, work)

    def _train(self, *, upstream: str) -> str:
        from ..training.run import train_study

        recipe = self._recipe()
        made_from = {"recipe": plain(recipe), "seed": self.config.study.seed, "upstream": upstream}

        def work(folder: Path) -> dict[str, Any]:
            summary = train_study(
                Store.open(self.folder / "store"),
                self.members(),
                recipe,
                folder,
                seed=self.config.study.seed,
                device=self.device,
                track=self.track,
            )
            return dict(plain(summary))

        return self._stage("model", made_from, work)

    def _score(self, *, upstream: str) -> str:
        from ..scoring.examples import export_examples
        from ..scoring.run import score_out_of_fold, score_store
        from ..scoring.worklist import write_worklist

        def work(folder: Path) -> dict[str, Any]:
            store = Store.open(self.folder / "store")
            members = self.members()
            model = self.folder / "model"
            parts = []
            development = members[members["split"] == "development"]
            parts.append(score_out_of_fold(model, store, development, device=self.device, track=self.track))
            held_out = sorted(members.loc[members["split"] == "held-out", "exam_id"].unique())
            if held_out:
                parts.append(
                    score_store(
                        model,
                        store,
                        held_out,
                        folder / "held_out.csv",
                        device=self.device,
                        track=self.track,
                    )
                )
            scores = pd.concat(parts, ignore_index=True).drop_duplicates("exam_id", keep="last")
            write_csv(folder / "scores.csv", scores)
            judged = parts[-1]
            write_worklist(judged, folder / "worklist.csv")
            export_examples(model, store, members, judged, folder / "examples.json", device=self.device)
            return {"exams": len(scores), "judged": len(judged)}

        return self._stage("scores", {"upstream": upstream}, work)

    def _evaluate(self, *, upstream: str) -> dict[str, Any]:
        plan = self.config.evaluation
        peers = self._peers()
        made_from = {
            "evaluation": plain(plan),
            "peers": [{**plain(peer), "file": file_sha256(Path(peer.file))} for peer in peers],
            "upstream": upstream,
        }

        def work(folder: Path) -> dict[str, Any]:
            tables = tuple((p, pd.read_csv(p.file, dtype={"exam_id": str})) for p in peers)
            figures = evaluate(
                self.members(),
                read_scores(self.folder / "scores" / "scores.csv"),
                plan=plan,
                matched=self.config.matched,
                peers=tables,
                seed=self.config.study.seed,
            )
            results = self._assemble(figures)
            write_json(folder / "results.json", results)
            return concordance_lines(results)

        self._stage("evaluation", made_from, work)
        results: dict[str, Any] = read_json(self.folder / "evaluation" / "results.json")
        return results

    # What the stages share. -----------------------------------------------------------------------

    def members(self) -> pd.DataFrame:
        """The members with mammograms, as the stages after `members` see them."""
        return read_members(self.folder / "members" / "members.csv")

    def _recipe(self) -> Recipe:
        # Loaded late: it brings torch, which reading a study file does not need.
        from .recipe import load_recipe

        return load_recipe(self.config.training, self.config.images)

    def _pseudonyms(self, section: str) -> Pseudonyms:
        part = self.config.registry if section == "registry" else self.config.images
        if self.config.simulation is not None or part is None or part.identity == "study-numbers":
            return AS_GIVEN
        return Pseudonyms(load_or_make_key(self.key_file or self.folder / "pseudonym.key"))

    def _registry_tables(self) -> RegistryTables:
        folder = self.folder / "registry" if self.config.registry is None else self.config.registry.folder
        return read_registry(folder, pseudonyms=self._pseudonyms("registry"))

    def _image_table(self) -> Path:
        if self.config.images.table is None:
            raise CohortError(expected="[images] table", found="none", where="study.toml")
        return self.config.images.table

    def _peers(self) -> tuple[PeerTable, ...]:
        if self.config.simulation is None:
            return self.config.peers
        oracle = PeerTable(
            key="oracle",
            label="Oracle: true trait + density",
            file=str(self.folder / "registry" / "oracle.csv"),
            columns=("trait", "density_z"),
            truth=True,
            description="Regression on the simulation's true image trait and true density: what a "
            "reader of trait and density could know at best; no stage before this one reads it",
        )
        return (*self.config.peers, oracle)

    def _assemble(self, figures: dict[str, Any]) -> dict[str, Any]:
        """The figures with everything a reader needs to place them."""
        config, cohort = self.config, self.config.cohort
        refused = pd.read_csv(self.folder / "store" / "refused.csv")
        counts = refused["code"].value_counts()
        store = Store.open(self.folder / "store")
        meanings = {**PICTURE_CODES, **CODES}
        training = read_json(self.folder / "model" / "training.json")
        for member in training:  # same seed, same results: how long an epoch took is not one
            for epoch in member["epochs"]:
                epoch.pop("seconds", None)
        return {
            "forescreen": __version__,
            "study": {
                "name": config.study.name,
                "description": config.study.description,
                "design": cohort.design if config.data_kind != "image table" else "unmatched",
                "data_kind": config.data_kind,
                "n_sets": figures.pop("n_sets"),
                "interval_window_months": cohort.interval_window_months,
                "min_months_before_diagnosis": cohort.min_months_before_diagnosis,
                "ratio": cohort.ratio,
            },
            "provenance": self._provenance(store),
            "flow": read_json(self.folder / "members" / "flow.json"),
            "refused": [
                {"code": code, "n": int(n), "meaning": meanings.get(code, "")}
                for code, n in zip(counts.index.astype(str), counts, strict=True)
            ],
            "n_images": len(store.manifest),
            "n_images_refused": len(refused),
            **figures,
            "examples": read_json(self.folder / "scores" / "examples.json"),
            "training": training,
        }

    def _density_words(self, store: Store) -> str:
        if self.config.images.density == "registry":
            return "as the registry gives it"
        methods = sorted(set(store.manifest["density_method"]) - {""})
        return (
            f"measured on the images ({', '.join(methods)}); mean of the views of a side, then of the sides"
        )

    def _provenance(self, store: Store) -> dict[str, str]:
        card = read_json(self.folder / "model" / "card.json")
        profiles = sorted(store.manifest["profile"].unique())
        return {
            "forescreen": __version__,
            "Python": platform.python_version(),
            "Seed": str(self.config.study.seed),
            "Recipe": str(card.get("recipe_name", self.config.training.recipe)),
            "Networks": str(card.get("n_members", "")),
            "Parameters per network": str(card.get("n_parameters", "")),
            "Model checksum": str(card.get("parameters_sha256", ""))[:16],
            "Percent density": self._density_words(store),
            "Conversion profile": ", ".join(map(str, profiles)),
            "Image canvas": f"{store.geometry.rows} × {store.geometry.columns} pixels of "
            f"{store.geometry.spacing_mm:g} mm",
            "Settings fingerprint": fingerprint(plain(self.config)),
        }
