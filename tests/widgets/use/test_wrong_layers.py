"""A widget takes what its step made, and asks for anything else."""

from person import Person


def test_a_multiscale_image_is_used_at_full_resolution(person: Person, field, told) -> None:
    levels = [field.image, field.image[:, ::2, ::2]]
    person.viewer.add_image(
        levels, name="levels", multiscale=True, scale=field.spacing, units=("micrometer",) * 3
    )
    person.opens_guide()
    person.distils()
    assert told.errors == []
