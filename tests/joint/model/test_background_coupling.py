"""The preconditioner: the Schur complement of PSF and background against dense matrices."""

import numpy as np
import pytest
from joint_fields import APART, TOGETHER, scene

# So noisy that no voxel is an outlier: all weigh the same, and the problem is linear.
NOISY = 200.0


def curvature_of(model) -> np.ndarray:
    """The matrix of half of chi squared with its priors, column by column."""
    size = model.basis.size
    start = np.concatenate([model.coefficients, model.background])
    scale = np.where(np.arange(len(start)) < size, 1e-2, 10.0)

    def gradient_at(values):
        model.coefficients, model.background = np.split(values, [size])
        model.move(model.centres, model.amplitudes)
        return model.linearise().gradient

    at_start = gradient_at(start)
    columns = [
        (at_start - gradient_at(start + scale * unit)) / scale.dot(unit)
        for unit in np.eye(len(start))
    ]
    curvature = np.array(columns)
    return (curvature + curvature.T) / 2


def preconditioner_of(state) -> np.ndarray:
    return np.stack([state.preconditioner(unit) for unit in np.eye(len(state.gradient))])


def test_of_beads_apart_it_is_the_inverse_of_the_blocks():
    of = scene(APART[:2])
    state = of.model(deviation=NOISY).linearise()
    size = of.basis.size
    found = preconditioner_of(state)
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-9 * np.abs(found).max())
    # Where no windows overlap, the Schur term is that of the coupling itself.
    precision, coupling = state.background_precision, state.coupling
    term = coupling.T @ np.linalg.solve(precision, coupling)
    in_windows = np.linalg.norm(state.schur_term - term) / np.linalg.norm(term)
    assert in_windows < 0.05
    blocks = np.block([[state.precision[0], coupling.T], [coupling, precision]])
    # All but for the part of the term that is left out.
    near = found[:size] @ blocks[:, :size]
    assert np.linalg.norm(near - np.eye(size), 2) < 0.5


@pytest.mark.parametrize("centres", [APART[:2], TOGETHER], ids=["apart", "together"])
def test_it_is_so_near_the_inverse_that_few_iterations_do(centres):
    of = scene(centres)
    model = of.model(deviation=NOISY)
    found = preconditioner_of(model.linearise())
    curvature = curvature_of(of.model(deviation=NOISY))
    values = np.linalg.eigvals(found @ curvature).real
    assert values.min() > 0
    # Conjugate gradients need about the root of this many iterations.
    assert values.max() / values.min() < 300
    # Without the coupling they would need more.
    state = model.linearise()
    size = of.basis.size
    without = np.zeros_like(found)
    without[:size, :size] = np.linalg.inv(state.precision[0])
    without[size:, size:] = np.linalg.inv(state.background_precision)
    others = np.linalg.eigvals(without @ curvature).real
    assert values.max() / values.min() < others.max() / others.min()
