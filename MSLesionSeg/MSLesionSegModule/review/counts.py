"""What the panel says about a review in sentences: how many lesions, how far it is, and totals."""

from slicer.i18n import tr as _

from .. import texts
from ..scene.segments import stateTitle


def showCounts(ui, review) -> None:
    """Write the sentences of a review, or of none, into the panel's labels."""
    if review is None:
        ui.countLabel.text = ""
        ui.reviewedLabel.text = _("Find lesions to review them here.")
        ui.totalsLabel.text = ""
        return
    from MSLesionSegLib.lesions.table import totals_by_region
    from MSLesionSegLib.review.review_table import totals_by_state

    ui.countLabel.text = texts.countText(review)
    ui.reviewedLabel.text = texts.reviewedText(
        *review.progress, sum(row.decision == "possible" for row in review.rows)
    )
    states = {
        stateTitle(state): f"{total['lesions']:.0f} ({total['volume_mm3'] / 1000:.2f} ml)"
        for state, total in totals_by_state(review.rows).items()
    }
    ui.totalsLabel.text = texts.totalsText(totals_by_region(review.lesions), states)
