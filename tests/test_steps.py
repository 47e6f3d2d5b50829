"""What saved layers and parameters know the steps by stays as it is."""

from napari_psf_distiller import Progress, StepId


def test_the_ids_are_those_that_were_saved():
    assert [step.value for step in StepId] == [
        "preprocess",
        "threshold",
        "find_beads",
        "distill",
        "postprocess",
        "deconvolve",
        "inspect",
        "prove",
        "open",
    ]


def test_every_step_has_a_title_of_its_own():
    titles = [step.title for step in StepId]
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_progress_is_told_by_the_phase_or_else_by_the_step():
    assert Progress(StepId.FIND_BEADS, 0, 1).title == "Find beads"
    assert Progress(StepId.PREPROCESS, 1, 9, phase="Median filter").title == "Median filter"
