# Installs Hearth as a Windows service: publishes it to a folder of its own, with the demo model, and starts it.
# usage (as administrator): scripts/install-service.ps1 [-Prefix DIR] [-Urls URL] [-Remove]
param(
    [string]$Prefix = (Join-Path $env:ProgramFiles 'Hearth'),
    [string]$Urls,
    [switch]$Remove
)
$ErrorActionPreference = 'Stop'
$repo = Split-Path -Parent $PSScriptRoot

function Invoke-Checked {
    & $args[0] @($args | Select-Object -Skip 1)
    if ($LASTEXITCODE -ne 0) { throw "$($args -join ' ') failed with status $LASTEXITCODE" }
}

$hearth = Join-Path $Prefix 'hearth.exe'
if ($Remove) {
    Invoke-Checked $hearth service uninstall
    exit 0
}

# A program that runs cannot be replaced.
if (Get-Service hearth -ErrorAction SilentlyContinue) { Stop-Service hearth }

# With machine code for this platform the first answer comes a quarter sooner; its compiler is a package of its own,
# which not every feed has. The runtime stays the system's.
$publish = @('publish', (Join-Path $repo 'src/Host/Hearth.Host.csproj'), '-c', 'Release', '-o', $Prefix, '-v', 'quiet')
& dotnet @publish --use-current-runtime --self-contained false '-p:PublishReadyToRun=true'
if ($LASTEXITCODE -ne 0) {
    Write-Warning 'going on without code compiled ahead'
    Invoke-Checked dotnet @publish
}
$models = Join-Path $Prefix 'models'
New-Item -ItemType Directory -Force $models | Out-Null
$ember = Join-Path $repo 'models/ember.gguf'
if (Test-Path $ember) { Copy-Item $ember $models }
$install = @('service', 'install')
if ($Urls) { $install += @('--urls', $Urls) }
Invoke-Checked $hearth @install
