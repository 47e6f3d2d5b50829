"""How a PSF changes over the field: polynomials of the place, their errors, and files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.psf.field import Depth, PSFField
from napari_psf_distiller.psf.polynomials import (
    Pattern,
    depth_polynomials,
    field_patterns,
    field_polynomials,
)

EXTENT = ((5.0, 35.0), (5.0, 55.0))


def field_of(degree: int = 2, **changes) -> PSFField:
    rng = np.random.default_rng(degree)
    patterns = field_patterns(degree)
    beads = rng.uniform((5, 5), (35, 55), (50, 2))
    polynomials = field_polynomials(degree, EXTENT, beads)
    given = {
        "patterns": patterns,
        "extent": EXTENT,
        "image_shape": (40, 60),
        "pixel": (0.1, 0.1),
        "amplitudes": rng.standard_normal((len(patterns), 3, 5, 4)),
        "gram": polynomials.T @ polynomials / len(beads),
        "spacing": (0.2, 0.1, 0.1),
        "errors": rng.uniform(1, 2, (degree + 1, 3, 5, 5)).astype(np.float32),
    }
    return PSFField(**given | changes)


edges = st.tuples(st.floats(-100, 1000), st.floats(1, 3000)).map(lambda e: (e[0], e[0] + e[1]))


@given(degree=st.integers(0, 6), extent=st.tuples(edges, edges))
def test_polynomials_of_the_same_turns_are_orthonormal_over_the_rectangle(degree, extent):
    # Gauss's places and weights: exact for the products of two.
    nodes, weights = np.polynomial.legendre.leggauss(degree + 1)
    y, x = ((nodes + 1) / 2 * (last - first) + first for first, last in extent)
    places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    values = field_polynomials(degree, extent, places)
    gram = (values.T * np.outer(weights, weights).ravel() / 4) @ values
    patterns = field_patterns(degree)
    assert len(patterns) == len(gram) == (degree + 1) * (degree + 2) // 2
    for turns in range(degree + 1):
        cosines, sines = (
            [n for n, pattern in enumerate(patterns) if pattern.turns == sign * turns]
            for sign in (1, -1)
        )
        mean = gram[np.ix_(cosines, cosines)]
        if turns:
            mean = (mean + gram[np.ix_(sines, sines)]) / 2
        np.testing.assert_allclose(mean, np.eye(len(mean)), atol=1e-9)
    np.testing.assert_allclose(values[:, 0], 1)


@pytest.mark.parametrize("degree", [1, 4, 6])
def test_polynomials_turn_with_the_place(degree):
    # A square field that is turned by 90 degrees: cosines and sines of l turns by l times as much.
    extent = ((10.0, 70.0), (-5.0, 55.0))
    places = np.array([[22.0, 50.0], [61.0, -3.0], [40.0, 40.0]])
    middle = np.array([40.0, 25.0])
    y, x = (places - middle).T
    turned = field_polynomials(degree, extent, np.stack([x, -y], axis=1) + middle)
    values = field_polynomials(degree, extent, places)
    patterns = field_patterns(degree)
    for column, (of, turns, _) in enumerate(patterns):
        angle = turns * np.pi / 2
        other = patterns.index((of, -turns, 0))
        expected = np.cos(angle) * values[:, column]
        expected = expected - np.sin(angle) * values[:, other] if turns else expected
        np.testing.assert_allclose(turned[:, column], expected, atol=1e-9)


DEPTH = Depth((10.0, 50.0), 60, 0.2)
# Those of the depth, and some products.
DEEP_PATTERNS = (
    *field_patterns(2),
    *(Pattern(0, 0, depth) for depth in (1, 2, 3)),
    Pattern(1, 1, 1),
    Pattern(1, -1, 1),
)


def deep_field(**changes) -> PSFField:
    """Return a field that changes with depth, too."""
    rng = np.random.default_rng(4)
    count = len(DEEP_PATTERNS)
    given = {
        "patterns": DEEP_PATTERNS,
        "amplitudes": rng.standard_normal((count, 3, 5, 4)),
        "gram": np.eye(count),
        "errors": rng.uniform(1, 2, (7, 3, 5, 5)).astype(np.float32),
        "depth": DEPTH,
    }
    return field_of(**given | changes)


def deep_values(y: float, x: float, z: float) -> np.ndarray:
    """Return the values of `DEEP_PATTERNS` at a place."""
    over_field = field_polynomials(2, EXTENT, np.array([[y, x]]))[0]
    in_depth = depth_polynomials(3, DEPTH.extent, np.array([z]))[0]
    sine, cosine = (field_patterns(2).index(Pattern(1, turns)) for turns in (-1, 1))
    products = over_field[[cosine, sine]] * in_depth[1]
    return np.r_[over_field, in_depth[1:], products]


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_polynomials_of_the_depth_are_orthonormal(degree):
    nodes, weights = np.polynomial.legendre.leggauss(degree + 1)
    values = depth_polynomials(degree, (10.0, 50.0), 30 + 20 * nodes)
    np.testing.assert_allclose((values.T * weights / 2) @ values, np.eye(degree + 1), atol=1e-12)
    np.testing.assert_allclose(values[:, 0], 1)


def test_at_a_plane_what_the_depth_changes_is_added():
    of = deep_field()
    expected = np.tensordot(deep_values(12.5, 30.0, 44.0), of.amplitudes, axes=1)
    np.testing.assert_allclose(of.amplitudes_at(12.5, 30.0, 44.0), expected)
    # Without a plane it is the mean over the depth.
    planes = np.linspace(10, 50, 4001)
    mean = np.mean([of.amplitudes_at(12.5, 30.0, plane) for plane in planes], axis=0)
    np.testing.assert_allclose(of.amplitudes_at(12.5, 30.0), mean, atol=5e-3)


def test_in_depth_the_errors_are_those_of_each_group():
    of = deep_field()
    assert of.groups == ((0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (2, 0))
    squares = deep_values(12.5, 30.0, 44.0) ** 2
    variance = np.zeros(of.errors.shape[1:])
    for square, pattern in zip(squares, of.patterns, strict=True):
        group = of.groups.index((pattern.degree, pattern.depth))
        variance += square * of.errors[group].astype(float) ** 2
    np.testing.assert_allclose(of.errors_at(12.5, 30.0, 44.0), np.sqrt(variance), rtol=1e-5)


def test_planes_without_beads_are_not_covered():
    of = deep_field()
    assert of.is_covered(20, 30, 40)
    assert of.is_covered(20, 30)
    assert not of.is_covered(20, 30, 55)
    assert field_of().is_covered(20, 30, 55)


def test_a_file_keeps_the_depth():
    of = deep_field()
    back = PSFField.from_arrays(of.arrays())
    assert (back.depth, back.patterns) == (DEPTH, DEEP_PATTERNS)
    assert (back.degree, back.depth_degree) == (2, 3)
    np.testing.assert_allclose(
        back.amplitudes_at(3, 4, 12), of.amplitudes_at(3, 4, 12), rtol=1e-5, atol=1e-5
    )
    with pytest.raises(ValueError, match="do not agree"):
        PSFField.from_arrays({**of.arrays(), "field.patterns": np.array(DEEP_PATTERNS[:-1])})


def test_amplitudes_at_a_place_are_the_polynomials_sum():
    of = field_of()
    polynomials = field_polynomials(2, EXTENT, np.array([[12.5, 30.0]]))[0]
    expected = sum(p * part for p, part in zip(polynomials, of.amplitudes, strict=True))
    np.testing.assert_allclose(of.amplitudes_at(12.5, 30.0), expected)


def test_errors_are_those_of_a_fit_by_least_squares():
    # Of each voxel an unknown, beads of the same light and noise: the textbook's formula.
    errors = np.ones((3, 1, 1, 1), np.float32)
    of = field_of(errors=errors)
    for place in ((20.0, 30.0), (3.0, 58.0)):
        polynomials = field_polynomials(2, EXTENT, np.array([place]))[0]
        variance = polynomials @ np.linalg.inv(of.gram) @ polynomials
        assert of.errors_at(*place)[0, 0, 0] == pytest.approx(np.sqrt(variance), rel=1e-5)
    assert field_of(errors=None).errors_at(1, 1) is None


def test_errors_grow_beyond_the_beads():
    of = field_of()
    assert of.is_covered(20, 30)
    assert not of.is_covered(39, 30)
    assert (of.errors_at(39.0, 59.0) > of.errors_at(20.0, 30.0)).all()


@pytest.mark.parametrize("errors", [True, False])
def test_a_file_keeps_it(errors):
    of = field_of() if errors else field_of(errors=None)
    back = PSFField.from_arrays({"waves": np.zeros(3), **of.arrays()})
    assert (back.degree, back.extent, back.spacing) == (2, EXTENT, (0.2, 0.1, 0.1))
    assert (back.image_shape, back.pixel) == ((40, 60), (0.1, 0.1))
    np.testing.assert_allclose(back.amplitudes, of.amplitudes, rtol=1e-6)
    np.testing.assert_array_equal(back.gram, of.gram)
    assert (back.errors is None) == (not errors)
    assert PSFField.from_arrays({"waves": np.zeros(3)}) is None


@pytest.mark.parametrize("name", ["amplitudes", "gram"])
def test_what_is_damaged_is_no_field(name):
    arrays = field_of().arrays()
    with pytest.raises(ValueError, match="do not agree"):
        PSFField.from_arrays({**arrays, f"field.{name}": arrays[f"field.{name}"][:1].ravel()})
    with pytest.raises(KeyError):
        PSFField.from_arrays({key: part for key, part in arrays.items() if name not in key})


def test_polynomials_of_another_kind_are_not_taken_for_these():
    arrays = field_of().arrays()
    with pytest.raises(ValueError, match="of another kind"):
        PSFField.from_arrays({**arrays, "field.polynomials": np.array("Legendre")})
