"""Writes steps.json: what PyTorch computes for the workloads of `cargo xtask bench steps`.

For each workload the first loss at full size, and ten losses of a twin of reduced width. Weights and inputs come from an
integer hash of a name and an index (nn/src/testing.rs has the same). They are f32 values; everything is then computed in
f64 and rounded to nine digits, so that neither the machine nor its threads show. Needs torch.
"""
import json, math, pathlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from shared.hashed import hashes, ids, standard, uniform

torch.set_default_dtype(torch.float64)
STEPS = 10


@torch.no_grad()
def initialise(model):
    for name, p in model.named_parameters():
        bound = 1.0 / math.sqrt(math.prod(p.shape[1:]) if p.dim() > 1 else p.numel())
        p.copy_(uniform(name, tuple(p.shape), -bound, bound, 1.0 if p.dim() == 1 and name.endswith("weight") else 0.0))
    return model


def train(model, opt, loss):
    """A step that descends on loss(step)."""
    def step(i):
        opt.zero_grad()
        l = loss(i)
        l.backward()
        opt.step()
        return l.item(), abs(l.item())
    return step, sum(p.numel() for p in model.parameters())


def infer(model, forward):
    """A step that sums forward(step); the scale is the norm, as of a sum of independent errors."""
    @torch.no_grad()
    def step(i):
        y = forward(i).double()
        return y.sum().item(), y.square().sum().sqrt().item()
    return step, sum(p.numel() for p in model.parameters())


def mlp(sizes, act=nn.ReLU):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), act()]
    return initialise(nn.Sequential(*layers[:-1]))


def w1(full):
    batch, sizes = (128, [784, 512, 512, 10]) if full else (8, [20, 16, 16, 5])
    m = mlp(sizes)
    x, y = standard("x", (batch, sizes[0])), ids("y", (batch,), sizes[-1])
    return train(m, torch.optim.Adam(m.parameters(), lr=1e-3), lambda i: F.cross_entropy(m(x), y))


class LeNet(nn.Module):
    def __init__(s, side, c1, c2, h1, h2, classes):
        super().__init__()
        after = ((side // 2) - 4) // 2
        s.conv1, s.conv2 = nn.Conv2d(1, c1, 5, padding=2), nn.Conv2d(c1, c2, 5)
        s.fc1, s.fc2, s.fc3 = nn.Linear(c2 * after * after, h1), nn.Linear(h1, h2), nn.Linear(h2, classes)

    def forward(s, x):
        x = F.max_pool2d(F.relu(s.conv1(x)), 2)
        x = F.max_pool2d(F.relu(s.conv2(x)), 2)
        return s.fc3(F.relu(s.fc2(F.relu(s.fc1(x.flatten(1))))))


def images(m, full):
    batch, side = (64, 28) if full else (6, 12)
    x, y = standard("x", (batch, 1, side, side)), ids("y", (batch,), 10 if full else 5)
    return train(m, torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9), lambda i: F.cross_entropy(m(x), y))


def w2a(full):
    return images(initialise(LeNet(28, 6, 16, 120, 84, 10) if full else LeNet(12, 3, 4, 12, 8, 5)), full)


def w2b(full):
    c, classes = ([1, 32, 64, 128], 10) if full else ([1, 4, 6, 8], 5)
    layers = []
    for i, (a, b) in enumerate(zip(c, c[1:])):
        layers += [nn.Conv2d(a, b, 3, 1 if i == 0 else 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return images(initialise(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c[-1], classes))), full)


class DcganGenerator(nn.Module):
    def __init__(s, latent, width):
        super().__init__()
        up = lambda i, o, stride, pad: [nn.ConvTranspose2d(i, o, 4, stride, pad, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        s.main = nn.Sequential(*up(latent, 4 * width, 1, 0), *up(4 * width, 2 * width, 2, 1), *up(2 * width, width, 2, 1),
                               nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


class DcganDiscriminator(nn.Module):
    def __init__(s, width):
        super().__init__()
        down = lambda i, o: [nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
        s.main = nn.Sequential(nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2), *down(width, 2 * width),
                               *down(2 * width, 4 * width), nn.Conv2d(4 * width, 1, 4, 1, 0, bias=False))


def w3(full):
    batch, latent, width = (64, 100, 64) if full else (4, 6, 3)
    G, D = initialise(DcganGenerator(latent, width)), initialise(DcganDiscriminator(width))
    adam = lambda m: torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999))
    og, od = adam(G), adam(D)
    real = uniform("real", (batch, 3, 32, 32), -1.0, 1.0)
    bce = F.binary_cross_entropy_with_logits
    one, zero = torch.ones(batch), torch.zeros(batch)
    judge = lambda x: D.main(x).flatten(0)

    def step(i):
        fake = G.main(standard(f"z{i}", (batch, latent, 1, 1)))
        od.zero_grad()
        ld = bce(judge(real), one) + bce(judge(fake.detach()), zero)
        ld.backward(); od.step()
        og.zero_grad()
        bce(judge(fake), one).backward(); og.step()
        return ld.item(), abs(ld.item())
    return step, sum(p.numel() for m in (G, D) for p in m.parameters())


class Vae(nn.Module):
    def __init__(s, pixels, hidden, latent):
        super().__init__()
        s.encoder, s.mu, s.logvar = nn.ModuleList([nn.Linear(pixels, hidden)]), nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        s.decoder, s.pixels = nn.ModuleList([nn.Linear(latent, hidden)]), nn.Linear(hidden, pixels)


def w4(full):
    batch, pixels, hidden, latent = (128, 784, 400, 20) if full else (8, 20, 12, 3)
    m = initialise(Vae(pixels, hidden, latent))
    x = ids("x", (batch, pixels), 2).double()

    def loss(i):
        h = F.relu(m.encoder[0](x))
        mu, lv = m.mu(h), m.logvar(h)
        z = mu + standard(f"eps{i}", (batch, latent)) * torch.exp(0.5 * lv)
        r = m.pixels(F.relu(m.decoder[0](z)))
        return (F.binary_cross_entropy_with_logits(r, x, reduction="sum") - 0.5 * (1 + lv - mu * mu - lv.exp()).sum()) / batch
    return train(m, torch.optim.Adam(m.parameters(), lr=1e-3), loss)


class CharLm(nn.Module):
    def __init__(s, kind, vocab, embed, hidden, layers):
        super().__init__()
        s.embed = nn.Embedding(vocab, embed)
        s.name = kind.__name__.lower()
        s.add_module(s.name, kind(embed, hidden, layers, batch_first=True))
        s.head = nn.Linear(hidden, vocab)


def w5(full, kind, layers):
    batch, length, vocab, embed, hidden = (32, 64, 96, 128, 512) if full else (3, 6, 11, 5, 8)
    m = initialise(CharLm(kind, vocab, embed, hidden, layers))
    d = ids("text", (batch, length + 1), vocab)
    x, y = d[:, :-1], d[:, 1:].reshape(-1)
    loss = lambda i: F.cross_entropy(m.head(getattr(m, m.name)(m.embed(x))[0]).reshape(-1, vocab), y)
    return train(m, torch.optim.Adam(m.parameters(), lr=1e-3), loss)


class Attention(nn.Module):
    def __init__(s, d, bias):
        super().__init__()
        s.c_attn, s.c_proj = nn.Linear(d, 3 * d, bias), nn.Linear(d, d, bias)


class FeedForward(nn.Module):
    def __init__(s, d, bias):
        super().__init__()
        s.c_fc, s.c_proj = nn.Linear(d, 4 * d, bias), nn.Linear(4 * d, d, bias)


class Block(nn.Module):
    def __init__(s, d, heads, bias, approx):
        super().__init__()
        s.ln_1, s.attn, s.ln_2, s.mlp = nn.LayerNorm(d), Attention(d, bias), nn.LayerNorm(d), FeedForward(d, bias)
        s.heads, s.approx = heads, approx

    def forward(s, x):
        B, T, C = x.shape
        sh = lambda t: t.view(B, T, s.heads, C // s.heads).transpose(1, 2)
        q, k, v = map(sh, s.attn.c_attn(s.ln_1(x)).split(C, 2))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + s.attn.c_proj(a.transpose(1, 2).reshape(B, T, C))
        return x + s.mlp.c_proj(F.gelu(s.mlp.c_fc(s.ln_2(x)), approximate=s.approx))


class Gpt(nn.Module):
    """GPT-2's names, `Linear` where it has a transposed `Conv1D`."""
    def __init__(s, vocab, context, d, heads, layers, bias, approx):
        super().__init__()
        s.wte, s.wpe = nn.Embedding(vocab, d), nn.Embedding(context, d)
        s.h, s.ln_f = nn.ModuleList(Block(d, heads, bias, approx) for _ in range(layers)), nn.LayerNorm(d)

    def forward(s, x, last=False):
        h = s.wte(x) + s.wpe(torch.arange(x.shape[1]))
        for b in s.h:
            h = b(h)
        return F.linear(s.ln_f(h[:, -1] if last else h), s.wte.weight)


def w6(full):
    vocab, length, d, heads, layers, batch = (96, 256, 384, 6, 6, 8) if full else (11, 8, 12, 3, 2, 3)
    m = initialise(Gpt(vocab, length, d, heads, layers, False, "none"))
    t = ids("text", (batch, length + 1), vocab)
    x, y = t[:, :-1], t[:, 1:].reshape(-1)
    opt = torch.optim.AdamW(m.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    return train(m, opt, lambda i: F.cross_entropy(m(x).reshape(-1, vocab), y))


def w7(full, decode):
    vocab, context, d, heads, layers, n = (50257, 1024, 768, 12, 12, 128) if full else (31, 24, 12, 3, 2, 7)
    m = initialise(Gpt(vocab, context, d, heads, layers, True, "tanh")).eval()
    seq = [ids("text", (1, n), vocab)]

    def forward(i):
        if not decode:
            return m(seq[0], last=True)
        if len(seq) == 1:
            with torch.no_grad():
                seq.append(torch.cat([seq[0], m(seq[0], last=True).argmax(-1, keepdim=True)], 1))
        y = m(seq[1], last=True)
        seq[1] = torch.cat([seq[1], y.argmax(-1, keepdim=True)], 1)
        return y
    return infer(m, forward)


class BertSelf(nn.Module):
    def __init__(s, d):
        super().__init__()
        s.query, s.key, s.value = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)


class BertOutput(nn.Module):
    def __init__(s, i, d):
        super().__init__()
        s.dense, s.LayerNorm = nn.Linear(i, d), nn.LayerNorm(d, 1e-12)

    def forward(s, y, x):
        return s.LayerNorm(x + s.dense(y))


def named(**parts):
    m = nn.Module()
    for k, v in parts.items():
        m.add_module(k, v)
    return m


class BertLayer(nn.Module):
    def __init__(s, d, heads, f):
        super().__init__()
        s.heads = heads
        s.attention = nn.Module()
        s.attention.add_module("self", BertSelf(d))
        s.attention.output = BertOutput(d, d)
        s.intermediate, s.output = named(dense=nn.Linear(d, f)), BertOutput(f, d)

    def forward(s, x, mask):
        B, T, C = x.shape
        sh = lambda t: t.view(B, T, s.heads, C // s.heads).transpose(1, 2)
        a = getattr(s.attention, "self")
        y = F.scaled_dot_product_attention(sh(a.query(x)), sh(a.key(x)), sh(a.value(x)), attn_mask=mask)
        x = s.attention.output(y.transpose(1, 2).reshape(B, T, C), x)
        return s.output(F.gelu(s.intermediate.dense(x)), x)


class Bert(nn.Module):
    """The names of Hugging Face's BertModel without its pooler."""
    def __init__(s, vocab, context, d, heads, f, layers):
        super().__init__()
        s.embeddings = named(word_embeddings=nn.Embedding(vocab, d), position_embeddings=nn.Embedding(context, d),
                             token_type_embeddings=nn.Embedding(2, d), LayerNorm=nn.LayerNorm(d, 1e-12))
        s.encoder = named(layer=nn.ModuleList(BertLayer(d, heads, f) for _ in range(layers)))

    def forward(s, x, m):
        e = s.embeddings
        h = e.LayerNorm(e.word_embeddings(x) + e.position_embeddings(torch.arange(x.shape[1])) + e.token_type_embeddings(torch.zeros_like(x)))
        mask = (1 - m)[:, None, None, :] * -1e9
        for b in s.encoder.layer:
            h = b(h, mask)
        return F.normalize((h * m[..., None]).sum(1) / m.sum(1, keepdim=True))


def w8(full, batch, length):
    m = initialise(Bert(30522, 512, 384, 12, 1536, 6) if full else Bert(31, 12, 12, 3, 20, 2)).eval()
    if full:
        return infer(m, lambda i: m(ids("text", (batch, length), 30522), torch.ones(batch, length)))

    def forward(i):
        # Sentences of lengths 1, 2, …: the mask hides the rest.
        mask = (torch.arange(7)[None] <= torch.arange(4)[:, None]).double()
        return m(ids(f"text{i}", (4, 7), 31), mask)
    return infer(m, forward)


def w9t(full):
    batch, sizes = (32, [4, 64, 64, 2]) if full else (5, [4, 8, 8, 2])
    m = mlp(sizes)
    x, y = standard("x", (batch, sizes[0])), standard("y", (batch, sizes[-1]))
    return train(m, torch.optim.Adam(m.parameters(), lr=1e-3), lambda i: F.mse_loss(m(x), y))


def w9f(full):
    m = mlp([4, 64, 64, 2] if full else [4, 8, 8, 2])
    if full:
        return infer(m, lambda i: m(torch.tensor([[0.1, -0.2, 0.3, 0.4]])).argmax(1))
    return infer(m, lambda i: m(standard(f"x{i}", (1, 4))))


def w10dqn(full):
    batch, sizes = (128, [4, 120, 84, 2]) if full else (5, [4, 8, 6, 2])
    q, target = mlp(sizes), mlp(sizes)
    obs, following = standard("obs", (batch, 4)), standard("next", (batch, 4))
    action, reward = ids("action", (batch, 1), 2), uniform("reward", (batch,), 0.0, 1.0)
    ended = ids("terminated", (batch,), 2).double()

    def loss(i):
        with torch.no_grad():
            y = reward + 0.99 * (1 - ended) * target(following).max(1).values
        return F.mse_loss(q(obs).gather(1, action).squeeze(1), y)
    return train(q, torch.optim.Adam(q.parameters(), lr=2.5e-4), loss)


def w10ppo(full):
    batch, hidden = (256, 64) if full else (6, 8)
    agent = initialise(named(actor=mlp([4, hidden, hidden, 2], nn.Tanh), critic=mlp([4, hidden, hidden, 1], nn.Tanh)))
    ps = list(agent.parameters())
    opt = torch.optim.Adam(ps, lr=2.5e-4, eps=1e-5)
    obs, action, before = standard("obs", (batch, 4)), ids("action", (batch, 1), 2), uniform("log_prob", (batch,), -1.2, -0.2)
    advantage, value, target = (standard(name, (batch,)) for name in ("advantage", "value", "target"))

    def step(i):
        lp = F.log_softmax(agent.actor(obs), 1)
        entropy = -(lp.exp() * lp).sum(1).mean()
        ratio = (lp.gather(1, action).squeeze(1) - before).exp()
        policy = torch.max(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2)).mean()
        v = agent.critic(obs).squeeze(1)
        near = value + (v - value).clamp(-0.2, 0.2)
        error = 0.5 * torch.max((v - target) ** 2, (near - target) ** 2).mean()
        loss = policy - 0.01 * entropy + 0.5 * error
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(ps, 0.5)
        opt.step()
        return loss.item(), abs(loss.item())
    return step, sum(p.numel() for p in ps)


def w11(full):
    batch, data, hidden = (64, 784, 512) if full else (6, 10, 12)
    m = mlp([data, hidden, hidden, 1], lambda: nn.LeakyReLU(0.2))
    real, fake = standard("real", (batch, data)), uniform("fake", (batch, data), 0.0, 1.0)

    def loss(i):
        e = uniform(f"eps{i}", (batch, 1), 0.0, 1.0)
        x = (e * real + (1 - e) * fake).requires_grad_()
        g, = torch.autograd.grad(m(x).sum(), x, create_graph=True)
        return m(fake).mean() - m(real).mean() + 10 * ((g.norm(2, 1) - 1) ** 2).mean()
    return train(m, torch.optim.Adam(m.parameters(), lr=1e-4, betas=(0.5, 0.9)), loss)


class BasicBlock(nn.Module):
    def __init__(s, i, o, stride):
        super().__init__()
        s.conv1, s.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        s.conv2, s.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        s.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride != 1 or i != o else None

    def forward(s, x):
        h = s.bn2(s.conv2(F.relu(s.bn1(s.conv1(x)))))
        return F.relu(h + (s.downsample(x) if s.downsample else x))


class ResNet(nn.Module):
    """torchvision's names."""
    def __init__(s, width, classes):
        super().__init__()
        s.conv1, s.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        i = width
        for n in range(4):
            o = width << n
            s.add_module(f"layer{n + 1}", nn.Sequential(BasicBlock(i, o, 1 if n == 0 else 2), BasicBlock(o, o, 1)))
            i = o
        s.fc = nn.Linear(i, classes)

    def forward(s, x):
        x = F.max_pool2d(F.relu(s.bn1(s.conv1(x))), 3, 2, 1)
        for layer in (s.layer1, s.layer2, s.layer3, s.layer4):
            x = layer(x)
        return s.fc(x.mean((2, 3)))


def w12(full):
    if full:
        m = initialise(ResNet(64, 1000)).eval()
        return infer(m, lambda i: m(standard("x", (1, 3, 224, 224))))
    # The twin trains, so that the names' gradients and the running statistics are compared too.
    m = initialise(ResNet(4, 5))
    x, y = standard("x", (4, 3, 64, 64)), ids("y", (4,), 5)
    return train(m, torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9), lambda i: F.cross_entropy(m(x), y))


WORKLOADS = {
    "w1": w1, "w2a": w2a, "w2b": w2b, "w3": w3, "w4": w4,
    "w5a": lambda full: w5(full, nn.LSTM, 1), "w5b": lambda full: w5(full, nn.LSTM, 2),
    "w5c": lambda full: w5(full, nn.GRU, 1), "w5d": lambda full: w5(full, nn.GRU, 2),
    "w6": w6, "w7p": lambda full: w7(full, False), "w7d": lambda full: w7(full, True),
    "w8a": lambda full: w8(full, 32, 64), "w8b": lambda full: w8(full, 1, 16),
    "w9t": w9t, "w9f": w9f, "w10dqn": w10dqn, "w10ppo": w10ppo, "w11": w11, "w12": w12,
}


def rounded(x):
    return float(f"{x:.9g}")


golden = {"torch": torch.__version__, "hash": [int(h) for h in hashes("a.weight", 4)]}
for name, make in WORKLOADS.items():
    step, params = make(True)
    first, scale = step(0)
    step, _ = make(False)
    twin = [step(i) for i in range(STEPS)]
    golden[name] = {
        "first": rounded(first),
        "scale": rounded(scale),
        "params": params,
        "twin": [rounded(l) for l, _ in twin],
        "twin_scale": [rounded(s) for _, s in twin],
    }
lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()]
pathlib.Path(__file__).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
