"""What a sampler sees of a network: (x_t, t) -> (x0, eps, fraction), whatever the network predicts.

Everything that stays the same over the steps of a chain is computed here, before the first one.
"""

import torch

from spic.scsrdm import schedule


class Denoiser:
    """A network bound to the SSMs and coarse images of some images.

    Called with x_t, float32 (N, 3, H, W), and one of `timesteps`, it gives x0, clipped to [-1, 1]; eps, which belongs
    to the clipped x0; and the fraction, None without a learned variance, that places the log variance between the
    posterior's (0) and beta's (1). All float32.

    Parameters
    ----------
    model : torch.nn.Module
        Network of `spic.scsrdm.build`.
    ssm_onehot, coarse : torch.Tensor
        As for `spic.scsrdm.sample`, sides multiples of `size_multiple`.
    timesteps : sequence of int
        All that will be asked for.
    guidance : float
        Other than 1, the null SSM is predicted with too, in the same batch.
    null : NullCondition, optional
        Of `model.null_condition` for this size, kept from an earlier call; made here by default.
    room : float
        Bytes that scales and shifts of the SSM may take; those beyond it are computed at every step.
    """

    def __init__(self, model, ssm_onehot, coarse, timesteps, guidance=1.0, *, null=None, room=float("inf")):
        device, kind = coarse.device, model.out[2].weight.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else model.dtype  # of feature maps
        self.model, self.guidance = model, guidance
        self.rows = {int(t): i for i, t in enumerate(timesteps)}
        self.t = torch.tensor(list(self.rows), dtype=torch.long, device=device)
        self.times = model.times(self.t)
        self.c = model.enlarge(coarse)
        self.conditions = [model.condition(ssm_onehot).keep(model.spades, room, dtype)]
        if guidance != 1.0:
            self.conditions.append(null or model.null_condition(*ssm_onehot.shape[-2:], dtype))

    def __call__(self, x_t, t: int):
        row = slice(self.rows[t], self.rows[t] + 1)
        outputs = self.model.predictions(x_t, self.t[row], self.times[row], self.conditions, self.c)
        prediction = guided([output[:, :3] for output in outputs], self.guidance)
        abar = float(schedule.alphas_cumprod()[t])
        x0 = to_x0(self.model.config.prediction, prediction, x_t, abar).clamp(-1, 1)
        fraction = (outputs[0][:, 3:] + 1) / 2 if self.model.config.learned_variance else None
        return x0, (x_t - abar**0.5 * x0) / (1 - abar) ** 0.5, fraction


def guided(predictions, guidance: float):
    """Join predictions with the SSM and, if there is a second one, without; epsilon, x0 and v alike.

    Those three are affine in each other, so guiding one guides all.
    """
    if len(predictions) == 1:
        return predictions[0]
    with_ssm, without = predictions
    return without + guidance * (with_ssm - without)


def to_x0(kind: str, prediction, x_t, abar):
    """Image x0 from a prediction of "epsilon", "x0" or "v" (Salimans and Ho 2022, appendix D).

    abar : signal variance at x_t's timestep, a float or a tensor that broadcasts against x_t.
    """
    if kind == "x0":
        return prediction
    if kind == "v":
        return abar**0.5 * x_t - (1 - abar) ** 0.5 * prediction
    return (x_t - (1 - abar) ** 0.5 * prediction) / abar**0.5
