#!/usr/bin/env bash
# Unpacks an aarch64 std beside the rustup toolchain, for `cargo xtask neon`. Debian or Ubuntu, as root.
#
# rustup has no std for aarch64 without its network, Debian's rustc-web has one. Nothing is installed over the
# toolchain: rustc-web is only unpacked under the folder $1, and two wrappers there run it. The version, and the name of
# its LLVM, come from apt. Packages from: cross linker and libc (gcc-aarch64-linux-gnu), the emulator
# (qemu-user-static), the libraries of the compiler (libz3-4 …).
set -euo pipefail
prefix=$1

dpkg --add-architecture arm64
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static libz3-4 libedit2 libxml2 libzstd1 >/dev/null

candidate=$(apt-cache policy rustc-web | sed -n 's/ *Candidate: *//p')
std=$(apt-cache depends "libstd-rust-web-dev=$candidate" | sed -n 's/ *Depends: *\(libstd-rust-web-[0-9.]*\)$/\1/p')
llvm=$(apt-cache depends "$std" | sed -n 's/ *Depends: *\(libllvm[0-9]*\)$/\1/p')
[ -n "$candidate" ] && [ -n "$std" ] && [ -n "$llvm" ]

download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
cd "$download"
apt-get download -qq rustc-web "$std" "$llvm" libstd-rust-web-dev libstd-rust-web-dev:arm64
mkdir -p "$prefix"
for package in *.deb; do dpkg -x "$package" "$prefix"; done

# The library path must reach these two programs only: cargo's other children keep the system's libraries.
libraries=$prefix/usr/lib/x86_64-linux-gnu
for tool in rustdoc rustc; do # rustc last: its presence says that the folder is complete
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s --sysroot %s "$@"\n' \
        "$libraries" "$prefix/usr/bin/$tool" "$prefix/usr" >"$prefix/$tool"
    chmod +x "$prefix/$tool"
done
"$prefix/rustc" --version
