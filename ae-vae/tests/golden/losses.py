"""Writes losses.safetensors: for every model of etude-ae-vae the parts of its loss, and the derivative of the whole by every
parameter, computed by PyTorch from the papers' formulas with torch.distributions where it has them.

Weights and inputs come from the hash that etude_nn::testing has as well. Everything is computed in f64 and stored as f32.
src/golden_tests.rs compares. Needs torch.
"""

import math
import pathlib
import sys

import torch
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal, kl_divergence
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "nn/tests/golden"))
from shared.hashed import ids, standard, uniform
from shared.values import File

torch.set_default_dtype(torch.float64)
FILE = File(__file__, "losses.safetensors")
BATCH, PIXELS, HIDDEN, LATENT, LEVELS = 4, 6, 5, 2, 4
# Grey levels with both ends among them.
X = (ids("x", (BATCH, PIXELS), LEVELS).float() / (LEVELS - 1)).double()


class Weights:
    """Parameters by name, made when they are first asked for."""

    def __init__(self):
        self.all = {}

    def __call__(self, name, *shape):
        if name not in self.all:
            bound = 1 / math.sqrt(math.prod(shape[1:]) if len(shape) > 1 else shape[0])
            self.all[name] = uniform(name, shape, -bound, bound).requires_grad_()
        return self.all[name]

    def linear(self, name, inputs, outputs, x, bias=True):
        return F.linear(x, self(name + ".weight", outputs, inputs), self(name + ".bias", outputs) if bias else None)

    def gru(self, name, inputs, hidden, x, state):
        """Over the first axis: every state."""
        w_ih, w_hh = self(name + ".weight_ih_l0", 3 * hidden, inputs), self(name + ".weight_hh_l0", 3 * hidden, hidden)
        b_ih, b_hh = self(name + ".bias_ih_l0", 3 * hidden), self(name + ".bias_hh_l0", 3 * hidden)
        states = []
        for step in x:
            i, h = F.linear(step, w_ih, b_ih).chunk(3, 1), F.linear(state, w_hh, b_hh).chunk(3, 1)
            r, z = torch.sigmoid(i[0] + h[0]), torch.sigmoid(i[1] + h[1])
            state = (1 - z) * torch.tanh(i[2] + r * h[2]) + z * state
            states.append(state)
        return torch.stack(states)


def put(name, w, parts, weights=None):
    """The means of the parts, their weighted sum, and its derivatives."""
    means = {k: (v.flatten(1).sum(1) if v.dim() > 1 else v).mean() for k, v in parts.items()}
    total = sum(v * (weights or {}).get(k, 1.0) for k, v in means.items())
    for k, v in means.items():
        FILE.put(f"{name}/part/{k}", v)
    FILE.put(f"{name}/total", total)
    for (k, p), g in zip(w.all.items(), torch.autograd.grad(total, w.all.values(), allow_unused=True)):
        if g is not None:
            FILE.put(f"{name}/grad/{k}", g)


def bernoulli(logits, x=X):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def vanilla_encoder(w, x, code=LATENT):
    return w.linear("encoder.1", HIDDEN, code, F.relu(w.linear("encoder.0", PIXELS, HIDDEN, x)))


def vanilla_decoder(w, h, code=LATENT):
    return w.linear("decoder.1", HIDDEN, PIXELS, F.relu(w.linear("decoder.0", code, HIDDEN, h)))


def posterior(w, x, inputs=PIXELS, prefix="", hidden=HIDDEN, latent=LATENT, act=F.relu):
    h = act(w.linear(prefix + "encoder.0", inputs, hidden, x))
    mu, logvar = w.linear(prefix + "mu", hidden, latent, h), w.linear(prefix + "logvar", hidden, latent, h)
    return Normal(mu, torch.exp(0.5 * logvar)), h


def decoder(w, z, latent=LATENT, numbers=1, hidden=HIDDEN, act=F.relu):
    return w.linear("pixels", hidden, numbers * PIXELS, act(w.linear("decoder.0", latent, hidden, z)))


STANDARD = Normal(0.0, 1.0)
EPS = standard("eps", (BATCH, LATENT))


def vanilla():
    w = Weights()
    put("vanilla", w, {"reconstruction": bernoulli(vanilla_decoder(w, vanilla_encoder(w, X)))})


def sparse():
    for kind in ["l1", "kl", "topk"]:
        w, code = Weights(), 4
        h, parts = vanilla_encoder(w, X, code), {}
        if kind == "l1":
            h = F.relu(h)
            parts = {"sparsity": h.abs()}
        elif kind == "kl":
            h = torch.sigmoid(h)
            target = torch.full((code,), 0.1)
            parts = {"sparsity": kl_divergence(Bernoulli(target), Bernoulli(h.mean(0))).sum()}
        else:
            kept = torch.topk(h, 2, dim=1)
            h = torch.zeros_like(h).scatter(1, kept.indices, kept.values)
        put(f"sparse_{kind}", w, {"reconstruction": bernoulli(vanilla_decoder(w, h, code)), **parts}, {"sparsity": 0.5})


def denoising():
    w = Weights()
    seen = (ids("seen", (BATCH, PIXELS), LEVELS).float() / (LEVELS - 1)).double()
    put("denoising", w, {"reconstruction": bernoulli(vanilla_decoder(w, vanilla_encoder(w, seen)))})


def contractive():
    w = Weights()
    encode = lambda x: torch.sigmoid(vanilla_encoder(w, x))
    jacobians = [torch.autograd.functional.jacobian(encode, x, create_graph=True) for x in X]
    norms = torch.stack([j.square().sum() for j in jacobians])
    put("contractive", w, {"reconstruction": bernoulli(vanilla_decoder(w, encode(X))), "contraction": norms}, {"contraction": 0.5})


def likelihoods():
    for name, numbers in [("bernoulli", 1), ("gaussian", 1), ("gaussian_learned", 2), ("logistic", 2)]:
        w = Weights()
        q, _ = posterior(w, X)
        y = decoder(w, q.loc + q.scale * EPS, numbers=numbers)
        mean, other = torch.sigmoid(y[:, :PIXELS]), y[:, -PIXELS:]
        if name == "bernoulli":
            nll = bernoulli(y)
        elif name == "gaussian":
            nll = -Normal(mean, 0.3).log_prob(X).sum(1)
        elif name == "gaussian_learned":
            nll = -Normal(mean, torch.exp(0.5 * other)).log_prob(X).sum(1)
        else:
            half, scale = 0.5 / (LEVELS - 1), torch.exp(other)
            upper = torch.where(X > 1 - half, 1.0, torch.sigmoid((X + half - mean) / scale))
            lower = torch.where(X < half, 0.0, torch.sigmoid((X - half - mean) / scale))
            nll = -torch.log(upper - lower).sum(1)
        put(f"vae_{name}", w, {"reconstruction": nll, "kl": kl_divergence(q, STANDARD)})


def weighted():
    """β = 2 at the full weight, with free bits."""
    w = Weights()
    q, _ = posterior(w, X)
    kl = kl_divergence(q, STANDARD).mean(0).clamp(min=0.2).sum()
    put("weighted", w, {"reconstruction": bernoulli(decoder(w, q.loc + q.scale * EPS)), "kl": kl}, {"kl": 2.0})


def conditional():
    w, classes = Weights(), 3
    y = F.one_hot(torch.tensor([0, 2, 1, 2]), classes).double()
    q, _ = posterior(w, torch.cat([X, y], 1), PIXELS + classes)
    decoded = decoder(w, torch.cat([q.loc + q.scale * EPS, y], 1), LATENT + classes)
    put("conditional", w, {"reconstruction": bernoulli(decoded), "kl": kl_divergence(q, STANDARD)})


def beta_tc():
    w, images = Weights(), 50
    q, _ = posterior(w, X)
    z = q.loc + q.scale * EPS
    each = torch.stack([Normal(q.loc[m], q.scale[m]).log_prob(z) for m in range(BATCH)], 1)
    joint = torch.log(each.sum(2).exp().sum(1) / (BATCH * images))
    marginals = torch.log(each.exp().sum(1) / (BATCH * images)).sum(1)
    parts = {
        "reconstruction": bernoulli(decoder(w, z)),
        "mutual_information": q.log_prob(z).sum(1) - joint,
        "total_correlation": joint - marginals,
        "dimensions": marginals - STANDARD.log_prob(z).sum(1),
    }
    put("beta_tc", w, parts, {"total_correlation": 6.0})


def iwae():
    w, k = Weights(), 3
    q, _ = posterior(w, X)
    eps = standard("eps", (k, BATCH, LATENT))
    weights = []
    for e in eps:
        z = q.loc + q.scale * e
        weights.append((STANDARD.log_prob(z) - q.log_prob(z)).sum(1) - bernoulli(decoder(w, z)))
    put("iwae", w, {"bound": -torch.log(torch.stack(weights).exp().mean(0))})


def vamp():
    w, components = Weights(), 3
    q, _ = posterior(w, X)
    z = q.loc + q.scale * EPS
    u, _ = posterior(w, torch.sigmoid(w("pseudo", components, PIXELS)))
    prior = MixtureSameFamily(Categorical(torch.ones(components)), Independent(u, 1))
    put("vamp", w, {"reconstruction": bernoulli(decoder(w, z)), "kl": q.log_prob(z).sum(1) - prior.log_prob(z)})


def iaf():
    w, width, latent = Weights(), 4, 3
    q, h = posterior(w, X, latent=latent)
    z = q.loc + q.scale * standard("eps", (BATCH, latent))
    log_q = q.log_prob(z).sum(1)
    degree = torch.arange(width) % latent
    sees = (torch.arange(latent)[None] < degree[:, None]).double()
    seen = (degree[None] <= torch.arange(latent)[:, None]).double()
    for t in range(2):
        name = f"steps.{t}."
        hidden = F.relu(
            F.linear(z, w(name + "hidden.weight", width, latent) * sees, w(name + "hidden.bias", width))
            + w.linear(name + "context", HIDDEN, width, h, bias=False)
        )
        m = F.linear(hidden, w(name + "m.weight", latent, width) * seen, w(name + "m.bias", latent))
        s = F.linear(hidden, w(name + "s.weight", latent, width) * seen, w(name + "s.bias", latent)) + 1.5
        sigma = torch.sigmoid(s)
        z = (sigma * z + (1 - sigma) * m).flip(1)
        log_q = log_q - torch.log(sigma).sum(1)
    kl = log_q - STANDARD.log_prob(z).sum(1)
    put("iaf", w, {"reconstruction": bernoulli(decoder(w, z, latent)), "kl": kl})


def ladder():
    w, act = Weights(), lambda x: F.leaky_relu(x, 0.1)
    low, d = posterior(w, X, prefix="up.0.", act=act)
    high, _ = posterior(w, d, HIDDEN, "up.1.", 4, 3, act)
    top = high.loc + high.scale * standard("eps0", (BATCH, 3))
    p, _ = posterior(w, top, 3, "down.0.", act=act)
    precision = low.scale**-2 + p.scale**-2
    q = Normal((low.loc * low.scale**-2 + p.loc * p.scale**-2) / precision, precision**-0.5)
    z = q.loc + q.scale * standard("eps1", (BATCH, LATENT))
    kl = torch.cat([kl_divergence(q, p), kl_divergence(high, STANDARD)], 1)
    put("ladder", w, {"reconstruction": bernoulli(decoder(w, z, act=act)), "kl": kl})


def wae():
    w = Weights()
    code = vanilla_encoder(w, X)
    prior, c = standard("prior", (BATCH, LATENT)), 2.0 * LATENT
    kernel = lambda a, b: c / (c + (a - b).square().sum())
    pairs = [(i, j) for i in range(BATCH) for j in range(BATCH)]
    within = sum(kernel(code[i], code[j]) + kernel(prior[i], prior[j]) for i, j in pairs if i != j)
    across = sum(kernel(code[i], prior[j]) for i, j in pairs)
    mmd = within / (BATCH * (BATCH - 1)) - 2 * across / BATCH**2
    put("wae", w, {"reconstruction": bernoulli(vanilla_decoder(w, code)), "mmd": mmd}, {"mmd": 10.0})


def adversarial():
    w = Weights()
    judge = lambda z: w.linear("discriminator.2", 5, 1, F.leaky_relu(w.linear("discriminator.0", LATENT, 5, z), 0.2))
    code = vanilla_encoder(w, X)
    prior = standard("prior", (BATCH, LATENT))
    parts = {"reconstruction": bernoulli(vanilla_decoder(w, code)), "adversarial": -torch.log(torch.sigmoid(judge(code)))}
    game = -torch.log(torch.sigmoid(judge(prior))) - torch.log(1 - torch.sigmoid(judge(code.detach())))
    FILE.put("adversarial_game/total", game.mean())
    own = {k: p for k, p in w.all.items() if k.startswith("discriminator")}
    for k, g in zip(own, torch.autograd.grad(game.mean(), own.values())):
        FILE.put(f"adversarial_game/grad/{k}", g)
    put("adversarial", w, parts, {"adversarial": 10.0})


def pictures(batch=2):
    x = (ids("x", (batch, 2 * 8 * 8), LEVELS).float() / (LEVELS - 1)).double()
    return x, x.view(batch, 2, 8, 8)


def conv_encoder(w, x):
    for i, (a, b) in enumerate([(2, 3), (3, 4)]):
        x = F.relu(F.conv2d(x, w(f"encoder.{i}.weight", b, a, 4, 4), w(f"encoder.{i}.bias", b), 2, 1))
    return x


def conv_decoder(w, h):
    h = F.relu(F.conv_transpose2d(h, w("decoder.0.weight", 4, 3, 4, 4), w("decoder.0.bias", 3), 2, 1))
    return F.conv_transpose2d(h, w("decoder.1.weight", 3, 2, 4, 4), w("decoder.1.bias", 2), 2, 1).flatten(1)


def convolutional():
    w = Weights()
    rows, x = pictures()
    code = w.linear("code", 16, 3, conv_encoder(w, x).flatten(1))
    h = F.relu(w.linear("features", 3, 16, code)).view(2, 4, 2, 2)
    put("convolutional", w, {"reconstruction": bernoulli(conv_decoder(w, h), rows)})


def vq():
    w, codes, dim = Weights(), 6, 3
    rows, x = pictures()
    book = standard("codebook.vectors", (codes, dim))
    z = F.conv2d(conv_encoder(w, x), w("to_code.weight", dim, 4, 1, 1), w("to_code.bias", dim))
    flat = z.permute(0, 2, 3, 1).reshape(-1, dim)
    nearest = torch.cdist(flat, book).argmin(1)
    FILE.put("vq/words", nearest.view(2, 4))
    chosen = book[nearest].view(2, 2, 2, dim).permute(0, 3, 1, 2)
    through = z + (chosen - z).detach()
    h = F.relu(F.conv2d(through, w("from_code.weight", 4, dim, 3, 3), w("from_code.bias", 4), 1, 1))
    parts = {"reconstruction": bernoulli(conv_decoder(w, h), rows), "commitment": (z - chosen).square()}
    put("vq", w, parts, {"commitment": 0.25})
    # Moving averages from counts of 1 and the vectors themselves; nothing is revived.
    decay = 0.9
    counts = decay + (1 - decay) * torch.bincount(nearest, minlength=codes)
    sums = decay * book + (1 - decay) * torch.zeros(codes, dim).index_add(0, nearest, flat.detach())
    FILE.put("vq/moved", sums / counts[:, None])


def code_prior():
    w, words, positions, embed, hidden, batch = Weights(), 5, 4, 3, 6, 3
    targets = ids("words", (batch, positions), words)
    before = torch.cat([torch.full((batch, 1), words), targets[:, :-1]], 1)
    x = w("word.weight", words + 1, embed)[before] + w("position.weight", positions, embed)
    h = w.gru("gru", embed, hidden, x.transpose(0, 1), torch.zeros(batch, hidden)).transpose(0, 1)
    logits = w.linear("head", hidden, words, h)
    put("code_prior", w, {"words": F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")})


def sentence():
    w, words, embed, hidden = Weights(), 5, 3, 6
    end, begin = words, words + 1
    table = w("embed.weight", words + 3, embed)
    sentences = [[1, 4, 0], [2]]
    eps = standard("eps", (2, LATENT))
    nll, kl = [], []
    for sentence, e in zip(sentences, eps):
        target = torch.tensor(sentence + [end])
        told = torch.tensor([begin] + sentence)
        last = w.gru("encoder", embed, hidden, table[target][:, None], torch.zeros(1, hidden))[-1]
        q = Normal(w.linear("mu", hidden, LATENT, last), torch.exp(0.5 * w.linear("logvar", hidden, LATENT, last)))
        z = q.loc + q.scale * e
        x = torch.cat([table[told][:, None], z.expand(len(told), 1, LATENT)], 2)
        h = w.gru("decoder", embed + LATENT, hidden, x, torch.tanh(w.linear("start", LATENT, hidden, z)))
        nll.append(F.cross_entropy(w.linear("head", hidden, words + 1, h[:, 0]), target, reduction="sum"))
        kl.append(kl_divergence(q, STANDARD)[0])
    put("sentence", w, {"reconstruction": torch.stack(nll), "kl": torch.stack(kl)})


for case in [
    vanilla, sparse, denoising, contractive, likelihoods, weighted, conditional, beta_tc, iwae, vamp, iaf, ladder, wae, adversarial,
    convolutional, vq, code_prior, sentence,
]:
    case()
FILE.save()
