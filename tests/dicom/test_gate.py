"""Clinical and technical situations, each with the codes that the gate must give."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.sequence import Sequence

from forescreen.dicom.gate import (
    CODES,
    MIN_SLICES,
    Decision,
    Policy,
    find,
    judge,
    series_findings,
)
from forescreen.dicom.policy import Limits, load_policy
from forescreen.dicom.read import read_header
from forescreen.dicom.reasons import Action
from forescreen.ingestion.inspection import inspect
from forescreen.records import Laterality, View

from .builders import (
    JPEG_EXTENDED,
    PROCESSING_CLASS,
    REPORT_CLASS,
    SECONDARY_CAPTURE_CLASS,
    TOMOSYNTHESIS_CLASS,
    build_code,
    build_lut,
    build_mammogram,
    build_pixels,
    build_view,
    save,
)

CR_CLASS = "1.2.840.10008.5.1.4.1.1.1"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
DX_CLASS = "1.2.840.10008.5.1.4.1.1.1.1"

DEFAULT = Policy()
FILM = load_policy("digitised-film")

ROLLED = build_view("399162004", modifiers=("R-102D3",))


def decide(tmp_path: Path, changes: dict[str, Any], policy: Policy = DEFAULT) -> Decision:
    ds = build_mammogram(changes=changes)
    return judge(read_header(save(tmp_path / "a.dcm", ds)), policy)


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("side", ["L", "R"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_the_ordinary_screening_view_passes_without_flags(
    tmp_path: Path, view: str, side: str, photometric: str, bits: int
) -> None:
    ds = build_mammogram(laterality=side, view=view, photometric=photometric, bits=bits)
    found = judge(read_header(save(tmp_path / "a.dcm", ds)), DEFAULT)
    assert (found.codes, found.message) == ((), "")
    assert (found.laterality, found.view) == (Laterality(side), View(view))
    assert (found.spacing.mm, found.spacing.source) == ((0.3, 0.3), "PixelSpacing")


REFUSED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("report", {"SOPClassUID": REPORT_CLASS, "PixelData": None}, ("non_image_object",)),
    ("presentation state", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}, ("non_image_object",)),
    ("no pixels", {"PixelData": None}, ("no_pixel_data",)),
    ("secondary capture", {"SOPClassUID": SECONDARY_CAPTURE_CLASS}, ("secondary_capture",)),
    ("other modality", {"Modality": "CR"}, ("not_mammography_modality",)),
    ("computed radiography", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}, ("computed_radiography",)),
    (
        "storage phosphor",
        {"SOPClassUID": CR_CLASS, "Modality": "CR", "PresentationIntentType": "FOR PRESENTATION"},
        ("computed_radiography",),
    ),
    ("slice stored as CT", {"SOPClassUID": CT_CLASS}, ("tomosynthesis_slice",)),
    (
        "CT of the chest",
        {"SOPClassUID": CT_CLASS, "Modality": "CT", "BodyPartExamined": "CHEST"},
        ("not_mammography_modality", "unsupported_sop_class", "body_part_other"),
    ),
    (
        "X-ray of a hand",
        {"SOPClassUID": DX_CLASS, "Modality": "DX", "BodyPartExamined": "HAND"},
        ("not_mammography_modality", "unsupported_sop_class", "body_part_other"),
    ),
    ("low-energy", {"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]}, ("contrast_low_energy",)),
    ("part of a concatenation", {"InConcatenationTotalNumber": 60}, ("tomosynthesis_slice",)),
    (
        "view in a description only",
        {"ViewPosition": None, "ViewCodeSequence": None, "SeriesDescription": "L-CC Mammo"},
        ("view_from_description",),
    ),
    (
        "side in a description only",
        {"ImageLaterality": None, "ProtocolName": "LCC"},
        ("view_from_description",),
    ),
    (
        "spot view in a description only",
        {"ViewPosition": None, "ViewCodeSequence": None, "SeriesDescription": "L CC SPOT"},
        ("view_missing",),
    ),
    ("foreign view code", {"ViewCodeSequence": build_view("X-1", "99LOCAL")}, ("view_code_unknown",)),
    (
        "specimen that is called CC",
        {"ViewCodeSequence": build_view("G-8310", "SNM3")},
        ("specimen",),
    ),
    ("chest", {"BodyPartExamined": "CHEST"}, ("body_part_other",)),
    (
        "raw image",
        {"SOPClassUID": PROCESSING_CLASS, "PresentationIntentType": "FOR PROCESSING"},
        ("intent_for_processing",),
    ),
    (
        "raw image that says it by its class",
        {"SOPClassUID": PROCESSING_CLASS, "PresentationIntentType": None},
        ("intent_for_processing",),
    ),
    (
        "raw image under a presentation class",
        {"PresentationIntentType": "FOR PROCESSING"},
        ("intent_for_processing", "intent_conflict"),
    ),
    (
        "tomosynthesis volume",
        {
            "SOPClassUID": TOMOSYNTHESIS_CLASS,
            "NumberOfFrames": 2,
            "ImageType": ["DERIVED", "PRIMARY", "TOMO"],
        },
        ("tomosynthesis_volume",),
    ),
    ("multi-frame mammogram", {"NumberOfFrames": 2}, ("tomosynthesis_volume",)),
    ("slice", {"ImageType": ["DERIVED", "PRIMARY", "TOMO"]}, ("tomosynthesis_slice",)),
    ("slice by volume", {"VolumetricProperties": "VOLUME"}, ("tomosynthesis_slice",)),
    ("projection", {"ImageType": ["ORIGINAL", "PRIMARY", "TOMO_PROJ"]}, ("tomosynthesis_projection",)),
    ("stereo", {"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, ("stereo_biopsy",)),
    ("stereo detector", {"DetectorMode": "STEREO"}, ("stereo_biopsy",)),
    ("specimen", {"ViewCodeSequence": build_view("127457009"), "ViewPosition": None}, ("specimen",)),
    ("quality control", {"QualityControlImage": "YES"}, ("quality_control",)),
    ("physics", {"PatientName": "Physics^Daily"}, ("quality_control",)),
    ("C-View", {"SeriesDescription": "L CC C-View"}, ("synthetic_2d",)),
    ("generated 2D", {"ImageType": ["DERIVED", "PRIMARY", "GENERATED_2D"]}, ("synthetic_2d",)),
    ("Intelligent 2D", {"SeriesDescription": "R MLO Intelligent 2D"}, ("synthetic_2d",)),
    ("Insight 2D", {"SeriesDescription": "Insight_2D"}, ("synthetic_2d",)),
    ("V-Preview", {"SeriesDescription": "L CC V-Preview"}, ("synthetic_2d",)),
    ("contrast", {"ContrastBolusAgent": "Iohexol"}, ("contrast_recombined",)),
    (
        "contrast agent by code",
        {"ContrastBolusAgentSequence": Sequence([build_code("109219005")])},
        ("contrast_recombined",),
    ),
    ("contrast study", {"StudyDescription": "Contrast-enhanced mammography"}, ("contrast_recombined",)),
    ("contrast series", {"SeriesDescription": "CESM L CC recombined"}, ("contrast_recombined",)),
    ("dual energy", {"ImageType": ["DERIVED", "PRIMARY", "", "DUAL_ENERGY"]}, ("contrast_recombined",)),
    ("dual energy, third", {"ImageType": ["DERIVED", "PRIMARY", "DUAL_ENERGY"]}, ("contrast_recombined",)),
    ("subtraction", {"DerivationDescription": "DUAL ENERGY SUBTRACTION"}, ("contrast_recombined",)),
    ("low-energy series", {"SeriesDescription": "L CC CESM Low Energy"}, ("contrast_low_energy",)),
    ("stereo biopsy in words", {"StudyDescription": "STEREO BIOPSY"}, ("stereo_biopsy",)),
    ("before the needle", {"SeriesDescription": "PRE FIRE"}, ("stereo_biopsy",)),
    ("biopsy paddle", {"PaddleDescription": "BIOPSY 6x7"}, ("stereo_biopsy",)),
    ("specimen in words", {"SeriesDescription": "SPECIMEN"}, ("specimen",)),
    ("specimen study", {"StudyDescription": "specimen radiograph"}, ("specimen",)),
    ("phantom in words", {"SeriesDescription": "ACR PHANTOM"}, ("quality_control",)),
    ("region chest", {"AnatomicRegionSequence": Sequence([build_code("51185008")])}, ("body_part_other",)),
    (
        "region chest alone",
        {"AnatomicRegionSequence": Sequence([build_code("51185008")]), "BodyPartExamined": None},
        ("body_part_other",),
    ),
    (
        "two values of ViewPosition, one a modifier",
        {"ViewPosition": ["CC", "SPOT"], "ViewCodeSequence": None},
        ("spot_compression",),
    ),
    (
        "two projections in ViewPosition",
        {"ViewPosition": ["MLO", "CC"], "ViewCodeSequence": None},
        ("view_conflict",),
    ),
    ("two projections and one code", {"ViewPosition": ["MLO", "CC"]}, ("view_conflict",)),
    (
        "a second value that is no term",
        {"ViewPosition": ["CC", "Jane"], "ViewCodeSequence": None},
        ("view_conflict",),
    ),
    ("spot as ViewPosition", {"ViewPosition": "SPOT"}, ("spot_compression",)),
    (
        "spot modifier beside the code",
        {"ViewModifierCodeSequence": Sequence([build_code("399055006")])},
        ("spot_compression",),
    ),
    (
        "magnification beside the code",
        {"ViewModifierCodeSequence": Sequence([build_code("R-102D6", "SRT")])},
        ("magnification",),
    ),
    ("left CC with its lateral side down", {"PatientOrientation": ["A", "L"]}, ("orientation_unusual",)),
    ("recombined", {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST"]}, ("contrast_recombined",)),
    (
        "colour screenshot",
        {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PresentationLUTShape": None},
        ("colour_image",),
    ),
    ("unknown grey", {"PhotometricInterpretation": "GREY"}, ("photometric_unknown",)),
    ("contradicting shape", {"PresentationLUTShape": "INVERSE"}, ("photometric_unknown",)),
    ("bits beyond the cell", {"BitsStored": 17, "HighBit": 16}, ("undecodable_pixels",)),
    ("32 bits", {"BitsAllocated": 32}, ("undecodable_pixels",)),
    ("high bit", {"HighBit": 15}, ("undecodable_pixels",)),
    ("no rows", {"Rows": None}, ("undecodable_pixels",)),
    ("window of no width", {"WindowWidth": 0}, ("voi_invalid",)),
    ("no view", {"ViewPosition": None, "ViewCodeSequence": None}, ("view_missing",)),
    ("view conflict", {"ViewPosition": "MLO"}, ("view_conflict",)),
    ("ML", {"ViewPosition": "ML", "ViewCodeSequence": None}, ("view_not_standard",)),
    ("XCCL", {"ViewPosition": None, "ViewCodeSequence": build_view("399192008")}, ("view_not_standard",)),
    ("unknown view", {"ViewPosition": "OBLIQUE", "ViewCodeSequence": None}, ("view_not_standard",)),
    ("no side", {"ImageLaterality": None}, ("laterality_missing",)),
    ("both sides", {"ImageLaterality": "B"}, ("laterality_missing",)),
    ("two sides", {"Laterality": "R"}, ("laterality_conflict_header",)),
    ("turned", {"PatientOrientation": ["R", "P"]}, ("orientation_unusual",)),
    (
        "upside down",
        {
            "PatientOrientation": ["A", "HL"],
            "ViewPosition": "MLO",
            "ViewCodeSequence": None,
        },
        ("orientation_unusual",),
    ),
    ("spot", {"ViewCodeSequence": build_view("399162004", modifiers=("399055006",))}, ("spot_compression",)),
    ("spot paddle", {"PaddleDescription": "SPOT 7.5CM"}, ("spot_compression",)),
    ("magnified", {"EstimatedRadiographicMagnificationFactor": 1.8}, ("magnification",)),
    (
        "rolled",
        {"ViewCodeSequence": build_view("399162004", modifiers=("R-102D3",))},
        ("other_view_modifier",),
    ),
    ("implant", {"BreastImplantPresent": "YES"}, ("implant_present",)),
    ("no spacing", {"PixelSpacing": None}, ("pixel_spacing_missing",)),
    ("spacing of a phantom", {"ImagerPixelSpacing": [0.1, 0.1]}, ("pixel_spacing_conflict",)),
    ("small field", {"PixelSpacing": [0.1, 0.1]}, ("image_too_small",)),
    ("name in the pixels", {"BurnedInAnnotation": "YES"}, ("burned_in_annotation",)),
]


@pytest.mark.parametrize(("changes", "codes"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(tmp_path: Path, changes: dict[str, Any], codes: tuple[str, ...]) -> None:
    found = decide(tmp_path, changes)
    assert tuple(reason.code for reason in found.reasons) == codes
    assert found.message.startswith(f"{codes[0]}: expected ")
    assert "found" in found.message


FLAGGED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (
        "imager spacing",
        {"PixelSpacing": None, "ImagerPixelSpacing": [0.3, 0.3]},
        ("pixel_spacing_from_imager",),
    ),
    ("mammogram of the class Digital X-Ray", {"SOPClassUID": DX_CLASS}, ("digital_xray_class",)),
    (
        "code under a foreign scheme",
        {"ViewCodeSequence": build_view("399162004", "99X")},
        ("view_code_scheme",),
    ),
    (
        "view of a Fuji",
        {
            "Manufacturer": "FUJIFILM Corporation",
            "ViewPosition": None,
            "ViewCodeSequence": None,
            "AcquisitionDeviceProcessingDescription": "CC",
        },
        ("view_from_processing",),
    ),
    (
        "implant displaced by a modifier beside the code",
        {"ViewModifierCodeSequence": Sequence([build_code("399209000")])},
        ("implant_displaced",),
    ),
    ("magnification glued to ViewPosition", {"ViewPosition": "CCMAG"}, ("description_conflict",)),
    ("biopsy in the study", {"StudyDescription": "Mammogram after biopsy"}, ("description_conflict",)),
    ("dates years apart", {"AcquisitionDate": "20150101"}, ("date_conflict",)),
    ("a date that is none", {"StudyDate": "20201399"}, ("date_implausible",)),
    ("dates to come", {"StudyDate": "29990101", "AcquisitionDate": None}, ("date_implausible",)),
    ("dates before mammography", {"StudyDate": "19000101", "AcquisitionDate": None}, ("date_implausible",)),
    ("an age of another woman", {"PatientAge": "030Y", "PatientBirthDate": "19640101"}, ("age_conflict",)),
    ("centres without width", {"WindowCenter": [2048, 3000], "WindowWidth": 4096}, ("voi_inconsistent",)),
    ("oblique tube in a CC", {"PositionerPrimaryAngle": 45}, ("view_angle_unusual",)),
    ("other view in words", {"SeriesDescription": "L MLO"}, ("description_conflict",)),
    ("other side in words", {"SeriesDescription": "RCC"}, ("description_conflict",)),
    ("spot in words", {"SeriesDescription": "L CC SPOT"}, ("description_conflict",)),
    ("side and both sides", {"Laterality": "B"}, ("laterality_bilateral",)),
    (
        "orientation of the other breast",
        {"PatientOrientation": ["P", "L"]},
        ("laterality_conflict_orientation",),
    ),
    ("lossy once", {"LossyImageCompression": "01"}, ("lossy_compression",)),
    ("mosaic", {"PartialView": "YES"}, ("partial_view",)),
    ("no age", {"PatientAge": None}, ("age_missing",)),
    ("age of a de-identified header", {"PatientAge": "000Y"}, ("age_implausible",)),
    ("no patient number", {"PatientID": ""}, ("patient_id_missing",)),
    (
        "implant displaced",
        {
            "BreastImplantPresent": "YES",
            "ViewCodeSequence": build_view("399162004", modifiers=("399209000",)),
        },
        ("implant_displaced",),
    ),
]


@pytest.mark.parametrize(("changes", "flags"), [f[1:] for f in FLAGGED], ids=[f[0] for f in FLAGGED])
def test_accepted_with_flags(tmp_path: Path, changes: dict[str, Any], flags: tuple[str, ...]) -> None:
    found = decide(tmp_path, changes)
    assert (found.reasons, found.flags) == ((), flags)


def test_a_lossy_syntax_is_flagged_whatever_the_header_says(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(), syntax=JPEG_EXTENDED)
    assert judge(read_header(path), DEFAULT).codes == ("lossy_compression",)


def test_a_small_matrix_is_too_small(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(build_pixels(rows=127, columns=300)))
    assert judge(read_header(path), DEFAULT).codes == ("image_too_small",)
    assert judge(read_header(path), Policy(limits=Limits(min_side=100, min_field_mm=30))).codes == ()


def test_a_lut_beyond_its_bits_is_refused(tmp_path: Path) -> None:
    ds = build_mammogram()
    ds.VOILUTSequence = Sequence([build_lut(build_pixels(rows=1, columns=16, bits=14)[0], 0, 12)])
    assert judge(read_header(save(tmp_path / "a.dcm", ds)), DEFAULT).codes == ("voi_invalid",)


def test_digitised_film_passes_only_under_its_policy(tmp_path: Path) -> None:
    film = {
        "SOPClassUID": SECONDARY_CAPTURE_CLASS,
        "Modality": "RG",
        "PresentationIntentType": None,
        "PixelSpacing": None,
    }
    codes = ("secondary_capture", "not_mammography_modality", "pixel_spacing_missing")
    refused = decide(tmp_path, film)
    assert tuple(reason.code for reason in refused.reasons) == codes[:2]
    assert refused.flags == codes[2:]
    accepted = decide(tmp_path, film, FILM)
    assert (accepted.reasons, accepted.flags, accepted.spacing.mm) == ((), codes, None)


def test_the_film_policy_changes_nothing_for_other_objects(tmp_path: Path) -> None:
    assert decide(tmp_path, {"Modality": "CR"}, FILM).codes == ("not_mammography_modality",)
    colour = {
        "SOPClassUID": SECONDARY_CAPTURE_CLASS,
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
    }
    found = decide(tmp_path, colour, FILM)
    assert tuple(reason.code for reason in found.reasons) == ("colour_image",)


def test_implants_and_synthetic_images_pass_with_a_flag_under_their_policies(tmp_path: Path) -> None:
    implant = decide(tmp_path, {"BreastImplantPresent": "YES"}, load_policy("implants"))
    assert (implant.reasons, implant.flags) == ((), ("implant_present",))
    synthetic = decide(tmp_path, {"SeriesDescription": "S-View"}, load_policy("synthetic-2d"))
    assert (synthetic.reasons, synthetic.flags) == ((), ("synthetic_2d",))


@pytest.mark.parametrize("description", ["L CC + MLO", "Screening R+L", "MAMMOGRAPHY", ""])
def test_descriptions_that_name_several_views_or_none_say_nothing(tmp_path: Path, description: str) -> None:
    assert decide(tmp_path, {"SeriesDescription": description}).codes == ()
    missing = {"ViewPosition": None, "ViewCodeSequence": None, "SeriesDescription": description}
    assert decide(tmp_path, missing).codes == ("view_missing",)


@pytest.mark.parametrize("angle", [0, -3.5, 180, 359])
def test_a_tube_above_or_below_the_breast_fits_a_cc(tmp_path: Path, angle: float) -> None:
    assert decide(tmp_path, {"PositionerPrimaryAngle": angle}).codes == ()


@pytest.mark.parametrize(("angle", "flags"), [(45, ()), (-50, ()), (315, ()), (2, ("view_angle_unusual",))])
def test_the_tube_is_oblique_in_an_mlo(tmp_path: Path, angle: float, flags: tuple[str, ...]) -> None:
    ds = build_mammogram(view="MLO", changes={"PositionerPrimaryAngle": angle})
    assert judge(read_header(save(tmp_path / "a.dcm", ds)), DEFAULT).codes == flags


def test_words_give_the_view_where_the_policy_lets_them(tmp_path: Path) -> None:
    silent = {
        "ViewPosition": None,
        "ViewCodeSequence": None,
        "ImageLaterality": None,
        "SeriesDescription": "R MLO",
        "PatientOrientation": None,
    }
    refused = decide(tmp_path, silent)
    assert refused.codes == ("view_from_description",)
    accepted = decide(tmp_path, silent, Policy(actions={"view_from_description": Action.FLAG}))
    assert (accepted.view, accepted.laterality) == (View.MLO, Laterality.RIGHT)
    assert (accepted.reasons, accepted.flags) == ((), ("view_from_description",))


def test_where_a_policy_flags_a_conflict_the_code_and_the_image_side_stand(tmp_path: Path) -> None:
    policy = Policy(actions={"view_conflict": Action.FLAG, "laterality_conflict_header": Action.FLAG})
    found = decide(tmp_path, {"ViewPosition": "MLO", "Laterality": "R"}, policy)
    assert found.reasons == ()
    assert found.flags == ("view_conflict", "laterality_conflict_header")
    assert (found.view, found.laterality) == (View.CC, Laterality.LEFT)


def test_what_a_policy_lets_pass_must_still_be_a_standard_view(tmp_path: Path) -> None:
    policy = Policy(actions={"view_conflict": Action.FLAG})
    changes = {"ViewPosition": "MLO", "ViewCodeSequence": build_view("399260004")}  # ML by code
    assert decide(tmp_path, changes, policy).codes[0] == "view_not_standard"


def test_an_accepted_reason_is_not_mentioned(tmp_path: Path) -> None:
    policy = Policy(actions={"age_missing": Action.ACCEPT, "burned_in_annotation": Action.ACCEPT})
    assert decide(tmp_path, {"PatientAge": None, "BurnedInAnnotation": "YES"}, policy).codes == ()


def test_machines_that_the_policy_does_not_list_are_flagged(tmp_path: Path) -> None:
    assert decide(tmp_path, {}, Policy(machines=("Other*",))).codes == ("vendor_not_validated",)
    assert decide(tmp_path, {}, Policy(machines=("Other*", "maker model ?"))).codes == ()


def test_what_was_found_is_told_whatever_the_policy_does(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(changes={"SeriesDescription": "C-View"}))
    for policy in (DEFAULT, load_policy("synthetic-2d")):
        assert [finding.code for finding in find(read_header(path), policy)] == ["synthetic_2d"]


def test_many_images_of_one_moment_are_slices_of_a_volume(tmp_path: Path) -> None:
    small = build_pixels(rows=150, columns=150)
    fuji = {"AcquisitionTime": "101500.123", "ImageType": ["DERIVED", "PRIMARY"]}
    slices = [
        save(tmp_path / f"s{i}.dcm", build_mammogram(small, number=i, changes=fuji))
        for i in range(MIN_SLICES)
    ]
    other = save(tmp_path / "o.dcm", build_mammogram(small, number=50))
    headers = [read_header(path) for path in (*slices, other)]
    found = series_findings(headers)
    assert [tuple(f.code for f in more) for more in found] == [("tomosynthesis_slice",)] * MIN_SLICES + [()]
    assert judge(headers[0], DEFAULT, found[0]).codes[0] == "tomosynthesis_slice"
    few = series_findings(headers[1:])  # fewer than that are repeats and processings of one view
    assert set(few) == {()}


def test_every_reason_of_the_situations_above_has_a_meaning() -> None:
    used = {code for _, _, codes in (*REFUSED, *FLAGGED) for code in codes}
    assert used <= set(CODES)
    assert all(meaning and not meaning.endswith(".") for meaning in CODES.values())


@pytest.mark.parametrize(
    "changes", [{"Rows": 65535, "Columns": 65535}, {"Rows": 299}, {"HighBit": 15}, {"BitsAllocated": 32}]
)
def test_what_is_expected_of_pixels_fits_what_is_found(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = decide(tmp_path, changes).reasons[0]
    assert (found.code, found.expected) == ("undecodable_pixels", "pixels described as they can be decoded")
    assert any(str(value) in found.found for value in changes.values())


def test_what_fits_is_not_flagged(tmp_path: Path) -> None:
    fits: list[dict[str, Any]] = [
        {"AcquisitionDate": "20210330"},  # an addition within 30 days
        {"PatientAge": "057Y", "PatientBirthDate": "19630401"},
        {"PatientAge": "057Y", "PatientBirthDate": "00000000"},
        {"AnatomicRegionSequence": Sequence([build_code("T-04000", "SNM3")])},
        {"AnatomicRegionSequence": Sequence([build_code("123", "SCT", "Left breast")])},
        {"AnatomicRegionSequence": Sequence([build_code("123", "99LOCAL", "Thorax")])},
        {"StudyDescription": "Mammography without contrast", "ContrastBolusAgentSequence": Sequence()},
        {"DerivationDescription": "contrast enhanced"},  # a step of processing
        {"SeriesDescription": "Prospective view", "StudyDescription": "Cemre clinic"},  # parts of words
        {"WindowCenter": [2048, 3000], "WindowWidth": [4096, 500]},
        {"ViewPosition": ["CC", ""]},
    ]
    for changes in fits:
        assert decide(tmp_path, changes).codes == (), changes


def test_dates_after_today_are_flagged_whatever_today_is(tmp_path: Path) -> None:
    header = read_header(save(tmp_path / "a.dcm", build_mammogram()))
    for day, flags in ((13, ()), (12, ("date_implausible",))):  # a day of grace for time zones
        found = judge(header, DEFAULT, today=datetime.date(2021, 3, day))
        assert found.flags == flags, day


@pytest.mark.parametrize("side", ["L", "R"])
def test_a_cc_lies_with_its_medial_side_down(tmp_path: Path, side: str) -> None:
    other = "R" if side == "L" else "L"
    expected = {
        ("A", other): (),
        ("P", other): (),
        ("A" if side == "L" else "P", side): ("orientation_unusual",),
        ("P" if side == "L" else "A", side): ("laterality_conflict_orientation",),
    }
    for orientation, codes in expected.items():
        ds = build_mammogram(laterality=side, changes={"PatientOrientation": list(orientation)})
        found = judge(read_header(save(tmp_path / "a.dcm", ds)), DEFAULT)
        assert found.codes == codes, orientation


SECRET = "DOE JANE 19640101 W0001"
FREE_TEXT: list[dict[str, Any]] = [
    {"Modality": SECRET},
    {"SOPClassUID": "1.2.826.19640101.1"},
    {"PhotometricInterpretation": SECRET},
    {"PhotometricInterpretation": f"RGB {SECRET}"},
    {"PresentationLUTShape": SECRET},
    {"PresentationIntentType": SECRET},
    {"PresentationIntentType": SECRET, "SOPClassUID": CR_CLASS},
    {"PatientOrientation": [SECRET, "L"]},
    {"PatientOrientation": ["L", SECRET]},
    {"ViewCodeSequence": build_view("X-1", "JANE DOE")},
    {"ViewPosition": SECRET, "ViewCodeSequence": None},
    {"ViewPosition": ["MLO", SECRET]},
    {"ImageLaterality": SECRET},
    {"Laterality": SECRET, "ImageLaterality": None},
    {"BodyPartExamined": SECRET},
    {"VOILUTFunction": SECRET},
    {"DetectorMode": SECRET, "SeriesDescription": f"{SECRET} STEREO BIOPSY CESM"},
    {"Manufacturer": SECRET, "ManufacturerModelName": "19640101"},
]


@pytest.mark.parametrize("changes", FREE_TEXT, ids=lambda changes: next(iter(changes)))
def test_no_free_text_is_repeated(tmp_path: Path, changes: dict[str, Any]) -> None:
    changes = {"PatientBirthDate": "19640101", "PatientAge": None} | changes
    path = save(tmp_path / "a.dcm", build_mammogram(changes=changes))
    policy = Policy(machines=("none",))
    decision = judge(read_header(path), policy)
    said = f"{decision.message} {decision.flagged} {inspect([path], policy, headers_only=True).as_dict()}"
    for secret in ("DOE", "JANE", "19640101", "1964-01-01", "W0001"):
        assert secret not in said.upper()


def test_the_name_of_a_look_up_table_is_told_where_it_is_known(tmp_path: Path) -> None:
    for name, voi in (("HARDER", "LUT HARDER of 1"), ("JANE DOE", "LUT 1 of 1")):
        ds = build_mammogram()
        ds.VOILUTSequence = Sequence([build_lut(build_pixels(rows=1, columns=16)[0], 0, 12, name)])
        path = save(tmp_path / "a.dcm", ds)
        assert inspect([path], DEFAULT, headers_only=True).files[0].voi == voi


def test_messages_name_no_woman(tmp_path: Path) -> None:
    changes = {"ViewPosition": "Doe^Jane W0001 A0001\x01", "ViewCodeSequence": None, "Modality": "XX"}
    message = decide(tmp_path, changes).message
    assert "found an unknown value" in message
    assert "found XC" in decide(tmp_path, {"Modality": "XC"}).message  # terms of the standard are told
    plain = decide(tmp_path, {"Modality": "XX", "PixelSpacing": None, "ImageLaterality": None}).message
    for secret in ("W0001", "A0001", "Doe", "Jane"):
        assert secret not in message
        assert secret not in plain
