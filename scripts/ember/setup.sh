# Sourced by the scripts here: builds the trainer and, where the system's C++ runtime is too old for TorchSharp's
# libtorch, makes a Debian 13 folder whose runtime is used instead. Afterwards `trainer VERB ...` runs it.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work="$here/work"
build="$work/build"
trixie="$work/trixie"

build_trainer() {
    mkdir -p "$work"
    dotnet build "$here/EmberTrainer.csproj" -c Release -o "$build" -v quiet -nologo >&2
}

need_package() {   # need_package COMMAND PACKAGE
    command -v "$1" >/dev/null && return
    echo "installing $2" >&2
    apt-get update -qq && apt-get install -y -qq "$2" >&2
}

prepare_runtime() {
    local needs
    needs=$(ldd "$build/libLibTorchSharp.so" "$build/libtorch_cpu.so" 2>&1 || true)
    if [[ $needs != *"not found"* ]]; then return; fi
    need_package debootstrap debootstrap
    need_package patchelf patchelf
    if [ ! -e "$trixie/usr/lib/x86_64-linux-gnu/libstdc++.so.6" ]; then
        debootstrap --variant=minbase trixie "$trixie" >"$work/debootstrap.log"
    fi
    patchelf --set-interpreter "$(readlink -f "$trixie/usr/lib64/ld-linux-x86-64.so.2")" "$build/ember-trainer"
    runtime_path="$trixie/usr/lib/x86_64-linux-gnu"
}

# Large tensors are kept by the allocator instead of being returned to the kernel: twice the speed.
trainer() {
    local dotnet_root
    dotnet_root=${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")}
    env DOTNET_ROOT="$dotnet_root" OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \
        MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 \
        ${runtime_path:+LD_LIBRARY_PATH="$runtime_path"} "$build/ember-trainer" "$@"
}
