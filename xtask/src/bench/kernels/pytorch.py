"""PyTorch's side of `cargo xtask bench --python`: runs its own form of a kernel when told to.

Reads lines of JSON and answers each with one. {"kernel", "shape", "threads"} prepares a kernel and is answered with the
competitors, [engine, dtype] each, none where PyTorch has no such kernel. {"competitor", "calls"} runs one of them and is
answered with {"seconds"} for all the calls.

Operators write into a given tensor where they have such a form. Shapes are those of the rows of the bench.
"""
import json
import sys
import time

import torch

aten = torch.ops.aten
randn = torch.randn


def gemm(shape, a_transposed=False, b_transposed=False):
    batch, (m, n, k) = shape[:-3], shape[-3:]
    for dtype in ["f32", "bf16"] if torch.cpu._is_amx_tile_supported() else ["f32"]:
        kind = torch.float32 if dtype == "f32" else torch.bfloat16
        a = randn(*batch, k, m, dtype=kind).mT if a_transposed else randn(*batch, m, k, dtype=kind)
        b = randn(*batch, n, k, dtype=kind).mT if b_transposed else randn(*batch, k, n, dtype=kind)
        out = torch.empty(*batch, m, n, dtype=kind)
        yield "torch", dtype, lambda a=a, b=b, out=out: torch.matmul(a, b, out=out)


def conv(direction):
    def kernels(shape):
        n, c_in, h, w, c_out, k, s, p, groups = shape
        x, weight = randn(n, c_in, h, w), randn(c_out, c_in // groups, k, k)
        g = torch.conv2d(x, weight, None, s, p, 1, groups)
        for engine, layout in [("torch", torch.contiguous_format), ("torch-nhwc", torch.channels_last)]:
            x, weight, g = (t.contiguous(memory_format=layout) for t in (x, weight, g))
            if direction == "forward":
                run = lambda x=x, weight=weight: torch.conv2d(x, weight, None, s, p, 1, groups)
            elif direction == "transposed":
                run = lambda weight=weight, g=g: torch.conv_transpose2d(g, weight, None, s, p, 0, groups)
            else:
                wanted = [direction == "input", direction == "weight", False]
                run = lambda x=x, weight=weight, g=g: aten.convolution_backward(
                    g, x, weight, None, [s, s], [p, p], [1, 1], False, [0, 0], groups, wanted)
            yield engine, "f32", run

    return kernels


def function(run):
    def kernels(shape):
        x, g, out = randn(shape), randn(shape), torch.empty(shape)
        yield "torch", "f32", lambda: run(x, g, out)

    return kernels


def rows(run, forward=None):
    """A kernel over the last axis; a gradient starts from the result of `forward`."""

    def kernels(shape):
        x, g, out = randn(shape), randn(shape), torch.empty(shape)
        y = forward(x, -1) if forward else x
        yield "torch", "f32", lambda: run(y, g, out)

    return kernels


def cross_entropy(shape, backward=False):
    count, n = shape
    x, g, target = randn(shape), randn(count), (torch.arange(count) * 7919) % n
    if not backward:
        yield "torch", "f32", lambda: torch.nn.functional.cross_entropy(x, target, reduction="none")
        return
    logp, total = torch.log_softmax(x, 1), torch.tensor(float(count))

    def run():
        d = aten.nll_loss_backward(g, logp, target, None, 0, -100, total)
        aten._log_softmax_backward_data(d, logp, 1, torch.float32)

    yield "torch", "f32", run


def layer_norm(shape, backward=False):
    n = shape[-1]
    x, g, w, b = randn(shape), randn(shape), randn(n), randn(n)
    _, mean, rstd = aten.native_layer_norm(x, [n], w, b, 1e-5)
    if backward:
        yield "torch", "f32", lambda: aten.native_layer_norm_backward(g, x, [n], mean, rstd, w, b, [True] * 3)
    else:
        yield "torch", "f32", lambda: aten.native_layer_norm(x, [n], w, b, 1e-5)


def rms_norm(shape, backward=False):
    n = shape[-1]
    x, g, w = randn(shape), randn(shape), randn(n)
    if not backward:
        yield "torch", "f32", lambda: torch.nn.functional.rms_norm(x, [n], w, 1e-5)
        return
    with torch.enable_grad():
        inputs = [x.requires_grad_(), w.requires_grad_()]
        y = torch.nn.functional.rms_norm(x, [n], w, 1e-5)
    yield "torch", "f32", lambda: torch.autograd.grad(y, inputs, g, retain_graph=True)


def batch_norm(shape, backward=False):
    c = shape[1]
    x, g, w, b = randn(shape), randn(shape), randn(c), randn(c)
    running = [torch.zeros(c), torch.ones(c)]
    _, mean, rstd = aten.native_batch_norm(x, w, b, *running, True, 0.1, 1e-5)
    if backward:
        yield "torch", "f32", lambda: aten.native_batch_norm_backward(
            g, x, w, *running, mean, rstd, True, 1e-5, [True] * 3)
    else:
        yield "torch", "f32", lambda: aten.native_batch_norm(x, w, b, *running, True, 0.1, 1e-5)


def adam(update, weight_decay):
    def kernels(shape):
        p, g, m, v, step = [randn(shape)], [randn(shape)], [torch.zeros(shape)], [torch.ones(shape)], [torch.tensor(10.0)]
        yield "torch", "f32", lambda: update(
            p, g, m, v, [], step, lr=1e-6, beta1=0.9, beta2=0.999, weight_decay=weight_decay, eps=1e-8, amsgrad=False,
            maximize=False)

    return kernels


def sgd(shape):
    p, g, m = [randn(shape)], [randn(shape)], [torch.zeros(shape)]
    yield "torch", "f32", lambda: torch._fused_sgd_(
        p, g, m, weight_decay=0.0, momentum=0.9, lr=1e-6, dampening=0.0, nesterov=False, maximize=False,
        is_first_step=False)


def reduction(run):
    def kernels(shape):
        outer, _, inner = shape
        x, out = randn(shape), torch.empty(outer, inner)
        yield "torch", "f32", lambda: run(x, 1, out=out)

    return kernels


def transpose(shape):
    x, out = randn(shape), torch.empty(shape[::-1])
    yield "torch", "f32", lambda: out.copy_(x.t())


f32 = torch.float32
KERNELS = {
    "gemm": gemm,
    "gemm_nt": lambda shape: gemm(shape, b_transposed=True),
    "gemm_tn": lambda shape: gemm(shape, a_transposed=True),
    "gemm_batched": gemm,
    "gemm_batched_nt": lambda shape: gemm(shape, b_transposed=True),
    "conv2d": conv("forward"),
    "conv2d_grad_input": conv("input"),
    "conv2d_grad_weight": conv("weight"),
    "conv_transpose2d": conv("transposed"),
    "exp": function(lambda x, g, out: torch.exp(x, out=out)),
    "exp_grad": function(lambda x, g, out: torch.mul(g, x, out=out)),
    "tanh": function(lambda x, g, out: torch.tanh(x, out=out)),
    "tanh_grad": function(lambda x, g, out: aten.tanh_backward.grad_input(g, x, grad_input=out)),
    "sigmoid": function(lambda x, g, out: torch.sigmoid(x, out=out)),
    "sigmoid_grad": function(lambda x, g, out: aten.sigmoid_backward.grad_input(g, x, grad_input=out)),
    "gelu": function(lambda x, g, out: aten.gelu.out(x, out=out)),
    "gelu_grad": function(lambda x, g, out: aten.gelu_backward.grad_input(g, x, grad_input=out)),
    "gelu_tanh": function(lambda x, g, out: aten.gelu.out(x, approximate="tanh", out=out)),
    "gelu_tanh_grad": function(
        lambda x, g, out: aten.gelu_backward.grad_input(g, x, approximate="tanh", grad_input=out)),
    "silu": function(lambda x, g, out: aten.silu.out(x, out=out)),
    "silu_grad": function(lambda x, g, out: aten.silu_backward.grad_input(g, x, grad_input=out)),
    "softplus": function(lambda x, g, out: aten.softplus.out(x, out=out)),
    "softplus_grad": function(lambda x, g, out: aten.softplus_backward.grad_input(g, x, 1.0, 20.0, grad_input=out)),
    "relu": function(lambda x, g, out: aten.relu.out(x, out=out)),
    "relu_grad": function(lambda x, g, out: aten.threshold_backward.grad_input(g, x, 0.0, grad_input=out)),
    "pow3": function(lambda x, g, out: torch.pow(x, 3.0, out=out)),
    "pow7": function(lambda x, g, out: torch.pow(x, 7.0, out=out)),
    "add": function(lambda x, g, out: torch.add(x, g, out=out)),
    "softmax": rows(lambda x, g, out: torch.softmax(x, -1, out=out)),
    "softmax_grad": rows(lambda y, g, out: aten._softmax_backward_data.out(g, y, -1, f32, grad_input=out), torch.softmax),
    "log_softmax": rows(lambda x, g, out: torch.log_softmax(x, -1, out=out)),
    "log_softmax_grad": rows(
        lambda y, g, out: aten._log_softmax_backward_data.out(g, y, -1, f32, out=out), torch.log_softmax),
    "cross_entropy": cross_entropy,
    "cross_entropy_grad": lambda shape: cross_entropy(shape, backward=True),
    "layer_norm": layer_norm,
    "layer_norm_grad": lambda shape: layer_norm(shape, backward=True),
    "rms_norm": rms_norm,
    "rms_norm_grad": lambda shape: rms_norm(shape, backward=True),
    "batch_norm": batch_norm,
    "batch_norm_grad": lambda shape: batch_norm(shape, backward=True),
    "adam": adam(torch._fused_adam_, 0.0),
    "adamw": adam(torch._fused_adamw_, 0.01),
    "sgd_momentum": sgd,
    "sum": reduction(torch.sum),
    "max": reduction(torch.amax),
    "sum_rows": reduction(torch.sum),
    "sum_columns": reduction(torch.sum),
    "transpose": transpose,
}


def main():
    competitors = []
    # Wakes the workers, which sleep while others have their turn: that is no part of a kernel's time.
    wake = torch.randn(64, 1024)
    with torch.no_grad():
        for line in sys.stdin:
            asked = json.loads(line)
            if "kernel" in asked:
                torch.set_num_threads(asked["threads"])
                kernel = KERNELS.get(asked["kernel"])
                competitors = list(kernel(asked["shape"])) if kernel else []
                answer = [[engine, dtype] for engine, dtype, _ in competitors]
            else:
                run = competitors[asked["competitor"]][2]
                torch.softmax(wake, 1)
                start = time.perf_counter()
                for _ in range(asked["calls"]):
                    run()
                answer = {"seconds": time.perf_counter() - start}
                # PyTorch's workers look for work for some 10 ms; the next competitor needs their cores.
                time.sleep(0.02)
            print(json.dumps(answer), flush=True)


main()
