"""Writes functions.safetensors: losses and operations without parameters of their own, computed by PyTorch.

Inputs are f32 values; everything is then computed and stored in f64. Keys are CASE/in/NAME, CASE/out, CASE/v (the
cotangent of the output) and CASE/din/NAME (gradients of sum(v * out)).

    python3 nn/tests/golden/functions.py        # needs torch (2.1 is enough) and safetensors
"""

import torch
from torch.nn import functional as F

from shared.values import File, rand, randn, seed

file = File(__file__, "functions.safetensors")
seed("functions")


def case(name, function, **inputs):
    for key, x in inputs.items():
        inputs[key] = x.float().double() if x.dtype == torch.float64 else x
        # f32 values, as f32
        file.put(f"{name}/in/{key}", inputs[key])
        if x.dtype == torch.float64:
            inputs[key].requires_grad_()
    y = function(*inputs.values())
    v = randn(*y.shape)
    file.put(f"{name}/out", y, exact=True)
    file.put(f"{name}/v", v)
    (v * y).sum().backward()
    for key, x in inputs.items():
        if x.grad is not None:
            file.put(f"{name}/din/{key}", x.grad, exact=True)


ids = torch.tensor([2, 0, 3, -100, 1])
case(
    "cross_entropy_with",
    lambda x, ids: F.cross_entropy(x, ids, torch.tensor([0.5, 1.0, 1.5, 2.0]).double(), label_smoothing=0.1),
    x=randn(5, 4) * 3,
    ids=ids,
)
ids = ids.abs() % 4
signs = torch.tensor([1.0, -1, 1, -1, -1]).double()
case("nll", lambda x, ids: F.nll_loss(x, ids), x=randn(5, 4), ids=ids)
case(
    "bce_with_logits_weighted",
    lambda x, y: F.binary_cross_entropy_with_logits(
        x, y, pos_weight=torch.tensor([0.5, 2.0, 3.0]).double(), reduction="none"
    ),
    x=randn(4, 3) * 5,
    y=rand(4, 3),
)
case("multilabel_soft_margin", lambda x, y: F.multilabel_soft_margin_loss(x, y), x=randn(4, 3), y=rand(4, 3))
case("kl_div", lambda q, p: F.kl_div(q, p, reduction="batchmean"), q=-rand(4, 3) * 3, p=rand(4, 3))
case("smooth_l1", lambda a, b: F.smooth_l1_loss(a, b, beta=0.7), a=randn(4, 3), b=randn(4, 3))
case("poisson_nll", lambda x, y: F.poisson_nll_loss(x, y), x=randn(4, 3), y=rand(4, 3) * 5)
case("hinge_embedding", lambda x: F.hinge_embedding_loss(x, signs, margin=0.8), x=rand(5) * 2)
case(
    "margin_ranking",
    lambda a, b: F.margin_ranking_loss(a, b, signs, margin=0.3),
    a=randn(5),
    b=randn(5),
)
case("multi_margin", lambda x, ids: F.multi_margin_loss(x, ids, margin=0.6), x=randn(5, 4), ids=ids)
case("cosine_similarity", lambda a, b: F.cosine_similarity(a, b, 1), a=randn(5, 3), b=randn(5, 3))
case(
    "cosine_embedding",
    lambda a, b: F.cosine_embedding_loss(a, b, signs, margin=0.1),
    a=randn(5, 3),
    b=randn(5, 3),
)
case(
    "triplet_margin",
    lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.5),
    a=randn(6, 3),
    p=randn(6, 3),
    n=randn(6, 3),
)
case(
    "ctc",
    lambda x, targets: F.ctc_loss(
        x.log_softmax(2), targets, torch.tensor([7, 6, 5]), torch.tensor([3, 2, 0]), reduction="none"
    ),
    x=randn(7, 3, 4),
    targets=torch.tensor([[1, 1, 3], [2, 3, 1], [1, 2, 3]]),
)

for name, act in {
    "relu6": lambda x: F.relu6(x),
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 1.5),
    # F.hardsigmoid and F.celu round a constant to f32 in their f64 derivatives.
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "selu": F.selu,
    "celu": lambda x: torch.where(x > 0, x, 0.7 * torch.expm1(x / 0.7)),
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "softshrink": lambda x: F.softshrink(x, 0.5),
    "hardshrink": lambda x: F.hardshrink(x, 0.5),
    "log_sigmoid": F.logsigmoid,
    "softmin": lambda x: F.softmin(x, 1),
    "glu": lambda x: F.glu(x, 1),
    "tan": torch.tan,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "exp_m1": torch.expm1,
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "prod": lambda x: torch.prod(x, 1),
    "cumprod": lambda x: torch.cumprod(x, 1),
    "std": lambda x: torch.std(x, 1, unbiased=False),
    "norm_l1": lambda x: torch.linalg.vector_norm(x, 1, 1),
    "norm_l3": lambda x: torch.linalg.vector_norm(x, 3, 1),
    "norm_max": lambda x: torch.linalg.vector_norm(x, float("inf"), 1),
    "sort": lambda x: torch.sort(x, 1, descending=True).values,
    "topk": lambda x: torch.topk(x, 3, 1).values,
    "tril": lambda x: torch.tril(x, 1),
    "triu": lambda x: torch.triu(x, 1),
    "roll": lambda x: torch.roll(x, 2, 1),
    "diagonal": lambda x: torch.diagonal(x, 0, 0, 1),
}.items():
    case(name, act, x=randn(4, 6) * 2)
case("log2", torch.log2, x=rand(4, 6) + 0.1)
case("log10", torch.log10, x=rand(4, 6) + 0.1)
case("prelu", lambda x, w: F.prelu(x, w), x=randn(2, 3, 4), w=rand(3))
case("pow", lambda x, y: x**y, x=rand(4, 3) + 0.2, y=randn(3))
case("atan2", torch.atan2, y=randn(4, 3), x=randn(4, 3))
case("einsum", lambda a, b, c: torch.einsum("bij,jk,bk->ib", a, b, c), a=randn(2, 3, 4), b=randn(4, 5), c=randn(2, 5))

for size in [(3, 4), (7, 9)]:
    image = lambda: randn(2, 2, 5, 6)
    name = f"{size[0]}x{size[1]}"
    case(f"adaptive_avg_pool2d_{name}", lambda x: F.adaptive_avg_pool2d(x, size), x=image())
    case(f"adaptive_max_pool2d_{name}", lambda x: F.adaptive_max_pool2d(x, size), x=image())
    for mode in ["bilinear", "bicubic"]:
        for align in [False, True]:
            kind = "corners" if align else "centres"
            case(
                f"upsample_{mode}_{kind}_{name}",
                lambda x: F.interpolate(x, size, mode=mode, align_corners=align),
                x=image(),
            )
case("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), x=randn(2, 8, 3, 2))
case("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), x=randn(2, 2, 4, 6))
for mode in ["reflect", "replicate", "circular"]:
    case(f"pad_{mode}", lambda x: F.pad(x, (1, 2, 3, 0), mode=mode), x=randn(2, 2, 4, 3))
case(
    "conv1d",
    lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=2, dilation=2, groups=2),
    x=randn(2, 4, 9),
    w=randn(6, 2, 3),
    b=randn(6),
)
case(
    "conv_transpose1d",
    lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1, groups=2),
    x=randn(2, 4, 5),
    w=randn(4, 3, 3),
    b=randn(6),
)

eye = torch.eye(4).double()
case("inverse", torch.linalg.inv, a=randn(2, 4, 4) + 4 * eye)
case("solve", torch.linalg.solve, a=randn(2, 4, 4) + 4 * eye, b=randn(2, 4, 3))
case("log_det", lambda a: torch.linalg.slogdet(a).logabsdet, a=randn(2, 4, 4) + 4 * eye)
case("cholesky", lambda m: torch.linalg.cholesky(m @ m.mT + eye), m=randn(2, 4, 4))

case("weight_norm", lambda v, g: torch._weight_norm(v, g, 0), v=randn(3, 2, 4), g=randn(3, 1, 1))

signs6 = torch.tensor([1.0, -1, 1, 1, -1, -1]).double()
case("cross_entropy", lambda x, ids: F.cross_entropy(x, ids), x=randn(5, 4) * 3, ids=ids)
case("cross_entropy_smooth", lambda x, ids: F.cross_entropy(x, ids, label_smoothing=0.1), x=randn(5, 4) * 3, ids=ids)
case(
    "bce_with_logits",
    lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    x=randn(4, 3) * 5,
    y=rand(4, 3),
)
case("mse", F.mse_loss, a=randn(4, 3), b=randn(4, 3))
case("l1", F.l1_loss, a=randn(4, 3), b=randn(4, 3))
case("huber", lambda a, b: F.huber_loss(a, b, delta=0.7), a=randn(4, 3), b=randn(4, 3))
case(
    "gaussian_nll",
    lambda mean, var, y: F.gaussian_nll_loss(mean, y, var),
    mean=randn(4, 3),
    var=rand(4, 3) + 0.1,
    y=randn(4, 3),
)
case(
    "kl_std_normal",
    lambda logvar, mu: torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, (logvar / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    ).sum(1),
    logvar=randn(4, 3),
    mu=randn(4, 3),
)
case("hinge", lambda s: (1 - signs6 * s).clamp(min=0).mean(), s=randn(6))
v = torch.nn.functional.normalize(randn(6), dim=0).float().double()
u = torch.nn.functional.normalize(randn(3), dim=0).float().double()
case("spectral_norm", lambda u, v, w: w / (u.detach() @ w.flatten(1) @ v.detach()), u=u, v=v, w=randn(3, 2, 3))

# A list of right classes ends at the first -1.
case(
    "multilabel_margin",
    lambda x, classes: F.multilabel_margin_loss(x, classes),
    x=randn(4, 4),
    classes=torch.tensor([[2, 0, -1, 1], [3, -1, -1, -1], [0, 1, 2, -1], [-1, -1, -1, -1]]),
)
case(
    "triplet_margin_swap",
    lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.5, swap=True),
    a=randn(6, 3),
    p=randn(6, 3),
    n=randn(6, 3),
)
for width in [3, 7]:
    case(
        f"attention_width_{width}",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        q=randn(2, 2, 4, 5),
        k=randn(2, 2, 4, 5),
        v=randn(2, 2, 4, width),
    )

file.save()
