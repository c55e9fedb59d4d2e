"""Every reason that intake can give, as one table: what it means, what to do, and what follows from it.

A code is found at one stage: from the file itself, its header, its pixels, or the exam that it belongs to.
Each has a default action. A policy may change it, unless the code states a fact about which nothing can be
decided: pixels that cannot be decoded do not become a mammogram by permission.

docs/reference/intake-policy.md is made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Action(StrEnum):
    """What a policy does about a reason."""

    ACCEPT = "accept"  # nothing is said
    FLAG = "flag"  # the image is used and carries the code
    REFUSE = "refuse"  # the image is not used


Stage = Literal["file", "header", "pixels", "exam"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `remedy` is "" where nothing is to be done; `changeable` tells whether a policy may choose
    another action than the default one."""

    code: str
    stage: Stage
    meaning: str
    remedy: str
    action: Action
    changeable: bool


def _fact(code: str, stage: Stage, meaning: str, remedy: str, action: Action = Action.REFUSE) -> Reason:
    return Reason(code, stage, meaning, remedy, action, changeable=False)


def _refused(code: str, stage: Stage, meaning: str, remedy: str) -> Reason:
    return Reason(code, stage, meaning, remedy, Action.REFUSE, changeable=True)


def _flagged(code: str, stage: Stage, meaning: str, remedy: str) -> Reason:
    return Reason(code, stage, meaning, remedy, Action.FLAG, changeable=True)


#: All reasons, in the order in which they are reported: the first of an object is the one to act on.
REASONS: tuple[Reason, ...] = (
    # The file
    _fact(
        "unreadable_file",
        "file",
        "the operating system does not give the file",
        "Check permissions, links and the disk",
    ),
    _fact("file_missing", "file", "a listed file that does not exist", "Copy it, or correct the list"),
    _fact(
        "archive_unreadable",
        "file",
        "an archive that is damaged, encrypted or of another kind",
        "Unpack it with its own program",
    ),
    _fact(
        "archive_too_large",
        "file",
        "an archive with too many members, or one that grows beyond reason",
        "Unpack it and look what it holds",
    ),
    _fact("archive_nested", "file", "an archive within an archive", "Unpack the outer one"),
    _fact(
        "archive_member_unsafe",
        "file",
        "a name in an archive or directory that leads out of it",
        "Do not trust it; ask who made it",
    ),
    _fact(
        "archive_member_too_large",
        "file",
        "an archive member larger than any mammogram",
        "Unpack the archive if it is meant",
    ),
    _fact("not_dicom", "file", "not a DICOM file", ""),
    _fact("truncated_file", "file", "the file ends before its content", "Copy it again from its source"),
    _fact(
        "malformed_header",
        "file",
        "the data elements cannot be read",
        "Export the object again from its source",
    ),
    _fact(
        "non_image_object",
        "header",
        "a DICOM object without an image (report, presentation state, directory)",
        "",
    ),
    # What kind of object
    _fact("no_pixel_data", "header", "an image object without pixel data", "Send the object with its pixels"),
    _refused(
        "secondary_capture",
        "header",
        "a secondary capture: digitised film, screenshot or proprietary object",
        "Send the original; for films use the policy digitised-film",
    ),
    _refused(
        "not_mammography_modality",
        "header",
        "Modality is not MG",
        "Send mammograms; films have a policy of their own",
    ),
    _fact(
        "unsupported_sop_class",
        "header",
        "not a Digital Mammography X-Ray object",
        "Send Digital Mammography X-Ray, For Presentation",
    ),
    _refused(
        "computed_radiography",
        "header",
        "a storage phosphor image (Computed Radiography class)",
        "Use it where the model was validated on such images",
    ),
    _flagged(
        "digital_xray_class",
        "header",
        "a mammogram stored as Digital X-Ray",
        "Check one such image: the class has no mammography attributes by rule",
    ),
    _fact(
        "tomosynthesis_volume",
        "header",
        "a tomosynthesis volume or another multi-frame object",
        "Send the two-dimensional images of the visit",
    ),
    _refused(
        "tomosynthesis_slice",
        "header",
        "one slice of a tomosynthesis volume",
        "Send the two-dimensional images of the visit",
    ),
    _refused(
        "tomosynthesis_projection",
        "header",
        "a projection image of a tomosynthesis sweep",
        "Send the two-dimensional images of the visit",
    ),
    _refused("stereo_biopsy", "header", "a stereotactic image for a biopsy", "Send the screening views"),
    _fact("specimen", "header", "an image of a specimen", "Send the screening views"),
    _refused("quality_control", "header", "a quality control image, phantom or flat field", "Leave it out"),
    _refused("body_part_other", "header", "another part of the body", "Send the mammograms"),
    _refused(
        "intent_for_processing",
        "header",
        "raw pixels, FOR PROCESSING",
        "Use the processed image of the same exposure; for volumetric density the policy volumetric",
    ),
    _refused(
        "intent_missing",
        "header",
        "neither the header nor the SOP class tells the presentation intent",
        "Send Digital Mammography X-Ray, For Presentation",
    ),
    _refused(
        "intent_conflict",
        "header",
        "presentation intent and SOP class contradict each other",
        "Correct the sender; nobody can tell raw from processed by the header",
    ),
    _refused(
        "synthetic_2d",
        "header",
        "a two-dimensional image computed from tomosynthesis",
        "Send the exposure, or use the policy synthetic-2d",
    ),
    _refused(
        "contrast_low_energy",
        "header",
        "the low-energy image of a contrast-enhanced pair",
        "Use it where the model was validated on such images",
    ),
    _fact(
        "contrast_recombined",
        "header",
        "a contrast-enhanced image, recombined or of unknown kind",
        "Send mammograms without contrast agent",
    ),
    # Whether the pixels can be shown
    _fact("colour_image", "header", "a colour image", "Send the original, not a screenshot"),
    _fact(
        "photometric_unknown",
        "header",
        "grey scale absent, unknown, or contradicted by the presentation LUT shape",
        "Export the image again from its source",
    ),
    _fact(
        "unsupported_transfer_syntax",
        "header",
        "a transfer syntax that is not decoded",
        "Transcode it, for example to JPEG lossless",
    ),
    _fact(
        "undecodable_pixels",
        "pixels",
        "pixels that cannot be decoded, or are described wrongly",
        "Export the image again from its source",
    ),
    _fact(
        "decoder_crashed",
        "pixels",
        "the decoder's process ended while it read this image",
        "Export the image again from its source",
    ),
    _fact("decoder_timeout", "pixels", "the decoder did not end in time", "Export the image again"),
    _fact("unexpected_error", "file", "a fault of the program", "Report it with the words of the refusal"),
    _fact("out_of_memory", "pixels", "no memory for this image", "Use fewer workers, or export it again"),
    _fact("voi_invalid", "header", "a window or VOI LUT that cannot be applied", "Export the image again"),
    _flagged(
        "voi_inconsistent",
        "header",
        "several windows, of which not all have a centre and a width",
        "Compare the picture with that of the workstation: the first window is used",
    ),
    _refused(
        "image_too_small",
        "header",
        "too few pixels or too small a field for a screening view",
        "Send the full-field view",
    ),
    # Which view
    _fact("view_missing", "header", "no projection in the header", "Correct the header at its source"),
    _refused(
        "view_from_description",
        "header",
        "the projection or side stands in a description only",
        "Correct the header, or let a policy flag it where the descriptions are known to be right",
    ),
    _flagged(
        "view_from_processing",
        "header",
        "the projection stands in the processing description only (a habit of Fuji)",
        "Compare one exam of this machine",
    ),
    _refused(
        "view_conflict",
        "header",
        "coded view and ViewPosition contradict each other",
        "Correct the header; flagged, the code stands",
    ),
    _refused(
        "view_code_unknown",
        "header",
        "a view code outside CID 4014 and 4015",
        "Correct the header; flagged, ViewPosition stands",
    ),
    _flagged(
        "view_code_scheme",
        "header",
        "a code of CID 4014 under a foreign scheme, and the same ViewPosition",
        "Correct the coding scheme designator",
    ),
    _fact("view_not_standard", "header", "a projection other than CC and MLO", ""),
    _flagged(
        "view_angle_unusual",
        "header",
        "the angle of the tube does not fit the projection",
        "Look at the image: CC is near 0 degrees, MLO is oblique",
    ),
    _flagged(
        "description_conflict",
        "header",
        "a description names another view or side than the header, or more than a plain view",
        "Look at the image",
    ),
    _fact("laterality_missing", "header", "no single side in the header", "Correct the header at its source"),
    _refused(
        "laterality_conflict_header",
        "header",
        "two sides in one header",
        "Correct the header; flagged, ImageLaterality stands",
    ),
    _flagged(
        "laterality_bilateral",
        "header",
        "one side for the image and both sides for its series",
        "",
    ),
    _flagged(
        "laterality_conflict_orientation",
        "header",
        "PatientOrientation is that of the other breast",
        "Look at the image and its marker",
    ),
    _refused(
        "laterality_conflict_pixels",
        "pixels",
        "the breast lies as the other breast would",
        "Look at the image and its marker: mirrored picture or wrong side",
    ),
    _flagged(
        "orientation_conflict_pixels",
        "pixels",
        "the breast lies as is usual for its side, and not as PatientOrientation says",
        "Tell the sender",
    ),
    _flagged(
        "chest_wall_uncertain",
        "pixels",
        "both sides of the breast look alike: the side of the chest wall is a guess",
        "Look at the image",
    ),
    _refused(
        "orientation_unusual",
        "header",
        "a picture that is turned or upside down by its header",
        "Turn it at its source",
    ),
    _refused("spot_compression", "header", "a spot compression view", "Send the full-field view"),
    _refused("magnification", "header", "a magnification view", "Send the contact view"),
    _refused(
        "other_view_modifier",
        "header",
        "a view with another modifier (rolled, tangential, cleavage, ...)",
        "Send the plain view",
    ),
    _refused(
        "implant_present",
        "header",
        "a breast with its implant in the field",
        "Send the implant-displaced views, or use the policy implants",
    ),
    _flagged("implant_displaced", "header", "an implant-displaced view", ""),
    _flagged("partial_view", "header", "a part of a breast that needs several images", ""),
    # Geometry
    _refused(
        "pixel_spacing_missing",
        "header",
        "no physical pixel spacing",
        "Correct the header; flagged, sizes mean nothing",
    ),
    _refused(
        "pixel_spacing_conflict",
        "header",
        "pixel spacings that contradict each other or make no sense",
        "Correct the header; flagged, PixelSpacing stands",
    ),
    _flagged(
        "pixel_spacing_from_imager",
        "header",
        "pixel spacing of the detector, divided by the magnification",
        "",
    ),
    # The picture
    _refused(
        "burned_in_annotation",
        "header",
        "identifying text burned into the pixels",
        "De-identify it, or send the original",
    ),
    _flagged("lossy_compression", "header", "compressed with loss", "Prefer the lossless original"),
    _fact("low_dynamic_range", "pixels", "pixels without contrast", "Send the exposed image"),
    _fact("breast_not_found", "pixels", "no region of the image looks like a breast", "Look at the image"),
    _flagged(
        "breast_uncertain",
        "pixels",
        "the outline of the breast is doubtful",
        "Look at the image and its mask",
    ),
    _refused(
        "photometric_conflict_pixels",
        "pixels",
        "air is bright: the picture contradicts its photometric interpretation",
        "Correct PhotometricInterpretation at its source",
    ),
    _flagged(
        "saturated", "pixels", "a large part of the image is at its brightest value", "Look at the image"
    ),
    # The woman, the day and the machine
    _flagged(
        "date_implausible",
        "header",
        "a date that is none, lies in the future, or before mammography",
        "Correct the date at its source; intervals between exams are wrong",
    ),
    _flagged(
        "date_conflict",
        "header",
        "StudyDate and AcquisitionDate far apart: the date of the exam is in doubt",
        "Correct the dates at their source",
    ),
    _flagged("age_missing", "header", "no age in the header", "Give the age in the cohort's tables"),
    _flagged("age_implausible", "header", "an age that no woman at screening has", "Correct the age"),
    _flagged(
        "age_conflict",
        "header",
        "an age that contradicts birth date and study date",
        "Correct what is wrong: perhaps two women's headers are mixed",
    ),
    _flagged(
        "patient_id_missing", "header", "no patient number in the header", "Give it, or link by exam number"
    ),
    _flagged(
        "vendor_not_validated",
        "header",
        "a machine that the policy does not list",
        "Compare its scores before use",
    ),
    # The exam
    _fact(
        "mixed_vendors_in_exam",
        "exam",
        "images of different machines in one exam",
        "Compare the exam number",
        Action.FLAG,
    ),
    _fact(
        "patient_name_differs",
        "exam",
        "images of one exam under different names",
        "Look whether they are of one woman",
        Action.FLAG,
    ),
    _fact(
        "patient_ambiguous",
        "exam",
        "one patient number with several issuers, birth dates or sexes among the exams of the source",
        "Tell the women apart by their numbers at the source; priors are not linked",
        Action.FLAG,
    ),
    _fact(
        "laterality_swap_suspected",
        "exam",
        "images of both sides lie as those of the other side",
        "Look at the exam: left and right may be exchanged",
        Action.FLAG,
    ),
    _fact(
        "patient_mismatch",
        "exam",
        "different patients under one exam number, or one number with several issuers, birth dates or sexes",
        "Correct the numbers at their source",
    ),
    _fact(
        "date_mismatch",
        "exam",
        "dates under one exam number that are more than a day apart",
        "Correct the exam numbers at their source",
    ),
    _fact("study_mismatch", "exam", "another study of the same exam was used", ""),
    _fact("duplicate_instance", "exam", "the same object as another file", ""),
    _fact("duplicate_view_older", "exam", "another image of this view was used instead", ""),
)

BY_CODE: dict[str, Reason] = {reason.code: reason for reason in REASONS}
#: Code to meaning, in the order in which reasons are reported.
CODES: dict[str, str] = {reason.code: reason.meaning for reason in REASONS}
ORDER: dict[str, int] = {code: place for place, code in enumerate(BY_CODE)}
