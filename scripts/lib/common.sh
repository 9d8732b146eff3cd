# Shared by the scripts: where things are, what is missing, and how to build it. Sourced by bash, from any folder.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
configuration=${HEARTH_CONFIGURATION:-Release}
host_dll=$repo/src/Host/bin/$configuration/net10.0/hearth.dll
sample_dll=$repo/samples/ChatSample/bin/$configuration/net10.0/chat-sample.dll

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
# Reference data beside the repository; tests that need it are skipped where it is absent.
if [ -z "${HEARTH_SHARED:-}" ] && [ -d "$repo/../shared" ]; then
  HEARTH_SHARED=$(cd "$repo/../shared" && pwd)
  export HEARTH_SHARED
fi

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Installs the Debian packages whose commands or files are missing: pairs of "probe package", a probe being a command
# or an absolute path.
install_missing() {
  local packages=()
  while [ $# -gt 0 ]; do
    case $1 in
      /*) [ -e "$1" ] || packages+=("$2") ;;
      *) command -v "$1" > /dev/null || packages+=("$2") ;;
    esac
    shift 2
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  command -v apt-get > /dev/null || fail "missing: ${packages[*]}; install them with this system's package manager"
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || fail "missing: ${packages[*]}; install them as root: apt-get install ${packages[*]}"
    sudo=(sudo)
  fi
  echo "installing ${packages[*]}" >&2
  quietly "${sudo[@]}" apt-get update
  quietly "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
}

require_dotnet() {
  command -v dotnet > /dev/null || fail "the .NET 10 SDK is missing; see https://dotnet.microsoft.com/download"
}

install_build_tools() {
  require_dotnet
  install_missing cmake cmake g++ g++ ninja ninja-build
}

# What builds for 64-bit Arm on another machine, and runs it there.
install_arm64_tools() {
  install_missing cmake cmake ninja ninja-build aarch64-linux-gnu-g++ g++-aarch64-linux-gnu qemu-aarch64 qemu-user \
    /usr/src/googletest/googletest/CMakeLists.txt googletest
}

# What builds for 64-bit Windows on another machine.
install_windows_tools() {
  install_missing cmake cmake ninja ninja-build x86_64-w64-mingw32-g++-posix g++-mingw-w64-x86-64 \
    /usr/src/googletest/googletest/CMakeLists.txt googletest
}

# Runs a command and shows its output, on standard error, only when it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" > "$log" 2>&1 < /dev/null || status=$?
  if [ $status -ne 0 ]; then
    cat "$log" >&2
    printf '%s: failed with status %s: %s\n' "$(basename "$0")" "$status" "$*" >&2
  fi
  rm -f "$log"
  return $status
}

# Whether any source is newer than a built file.
is_stale() {
  local built=$1
  shift
  [ -f "$built" ] || return 0
  [ -n "$(find "$@" "$repo"/Directory.*.props "$repo"/global.json "$repo"/CMakeLists.txt "$repo"/CMakePresets.json \
    \( -name bin -o -name obj \) -prune -o -type f -newer "$built" -print -quit 2> /dev/null)" ]
}

# Builds a project, with the native library it uses, unless it is newer than all its sources.
build_if_stale() {
  local project=$1 built=$2
  shift 2
  is_stale "$built.stamp" "$@" || [ ! -f "$built" ] || return 0
  # One build at a time: two would write the same files. The build itself must not inherit the lock, for compiler servers outlive it.
  mkdir -p "$repo/artifacts"
  exec 9> "$repo/artifacts/build.lock"
  if command -v flock > /dev/null; then flock 9; fi
  if is_stale "$built.stamp" "$@" || [ ! -f "$built" ]; then
    local began
    began=$(mktemp)
    quietly dotnet build "$project" -c "$configuration" -v quiet 9>&- || { rm -f "$began"; exit 1; }
    # A source changed while building is newer than the beginning, so the next call builds again.
    touch -r "$began" "$built.stamp"
    rm -f "$began"
  fi
  exec 9>&-
}

host_is_stale() {
  is_stale "$host_dll.stamp" "$repo/src" || [ ! -f "$host_dll" ]
}

build_host() {
  build_if_stale "$repo/src/Host/Hearth.Host.csproj" "$host_dll" "$repo/src"
}

# The same with LLamaSharp's engine and its backend, in a folder of its own: the plain one stays as it is.
llamasharp_dll=$repo/artifacts/llamasharp/bin/Hearth.Host/$(echo "$configuration" | tr '[:upper:]' '[:lower:]')/hearth.dll
build_host_with_llamasharp() {
  quietly dotnet build "$repo/src/Host/Hearth.Host.csproj" -c "$configuration" -v quiet -p:WithLLamaSharp=true --artifacts-path "$repo/artifacts/llamasharp" || exit 1
}

build_sample() {
  build_if_stale "$repo/samples/ChatSample/ChatSample.csproj" "$sample_dll" "$repo/src/Runtime" "$repo/src/ExtensionsAI" "$repo/src/SemanticKernel" "$repo/src/Native" "$repo/samples/ChatSample"
}
