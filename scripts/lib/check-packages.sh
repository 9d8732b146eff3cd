#!/usr/bin/env bash
# A project outside the repository restores the packages from a folder and runs; the tool is installed from there and answers.
# Neither finds a compiler.
#
# usage: scripts/lib/check-packages.sh PACKAGES
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=$(cd "${1:?which folder of packages?}" && pwd)
work=$(mktemp -d -t hearth-packages-XXXXXX)
trap 'rm -rf "$work"' EXIT

# A search path without compilers; packages of an earlier check are not taken for these.
version=$(basename "$(echo "$packages"/Hearth.Runtime.*.nupkg)" .nupkg)
version=${version#Hearth.Runtime.}
dotnet=$(readlink -f "$(command -v dotnet)")
mkdir "$work/bin"
for program in /usr/bin/*; do
  case ${program##*/} in cc | c++ | *gcc* | *g++* | *clang* | cmake* | ninja | ld | ld.*) ;; *) ln -s "$program" "$work/bin/" ;; esac
done
ln -sf "$dotnet" "$work/bin/dotnet"
export PATH=$work/bin NUGET_PACKAGES=$work/restored
export DOTNET_ROOT=${dotnet%/*}
for compiler in cc c++ g++ clang++ cmake ninja; do
  if command -v "$compiler" > /dev/null; then fail "$compiler is found, though it should not be"; fi
done

mkdir "$work/app"
cd "$work/app"
cat > nuget.config << XML
<configuration>
  <packageSources><add key="hearth" value="$packages" /></packageSources>
</configuration>
XML
cat > app.csproj << XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Hearth.SemanticKernel" Version="$version" />
    <PackageReference Include="Microsoft.SemanticKernel.Core" Version="1.82.0" />
  </ItemGroup>
</Project>
XML
cat > Program.cs << 'CS'
using Hearth.Runtime;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

var builder = Kernel.CreateBuilder();
builder.AddHearthChatCompletion(new HearthServiceOptions { ModelPath = args[0] });
var kernel = builder.Build();
await using var services = (ServiceProvider)kernel.Services;
var chat = kernel.GetRequiredService<IChatCompletionService>();
var answer = await chat.GetChatMessageContentAsync(new ChatHistory("You are helpful.") { new(AuthorRole.User, "Hello!") });
Console.WriteLine($"{chat.GetType().Assembly.GetName().Name} {typeof(LanguageModel).Assembly.GetName().Version}: {answer.Content}");
return string.IsNullOrWhiteSpace(answer.Content) ? 1 : 0;
CS
echo "== a project of its own restores the packages"
quietly dotnet build -v quiet -o out
dotnet out/app.dll "$repo/models/ember.gguf"

echo "== the tool"
quietly dotnet tool install hearth --tool-path "$work/tool" --version "$version" --configfile nuget.config
"$work/tool/hearth" --version
"$work/tool/hearth" doctor
"$work/tool/hearth" generate "$repo/models/ember.gguf" --prompt "Once upon a time" --max-tokens 12 --temperature 0
