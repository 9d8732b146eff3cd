# Installs Hearth as a Windows service: publishes it to a folder of its own, with the demo model, and starts it.
# usage (as administrator): scripts/install-service.ps1 [-Prefix DIR] [-Urls URL] [-Remove]
param(
    [string]$Prefix = (Join-Path $env:ProgramFiles 'Hearth'),
    [string]$Urls = 'http://127.0.0.1:4327',
    [switch]$Remove
)
$ErrorActionPreference = 'Stop'
$repo = Split-Path -Parent $PSScriptRoot

function Invoke-Checked {
    & $args[0] @($args | Select-Object -Skip 1)
    if ($LASTEXITCODE -ne 0) { throw "$($args -join ' ') failed with status $LASTEXITCODE" }
}

if (Get-Service Hearth -ErrorAction SilentlyContinue) {
    Stop-Service Hearth -ErrorAction SilentlyContinue
    Invoke-Checked sc.exe delete Hearth
}
if ($Remove) {
    Write-Output "The service is gone; $Prefix stays."
    exit 0
}

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
$config = Join-Path $Prefix 'hearth.json'
if (-not (Test-Path $config)) {
    @{ Urls = $Urls; Models = @(@{ Path = (Join-Path $models 'ember.gguf') }) } | ConvertTo-Json -Depth 4 | Set-Content $config
}

$command = '"{0}" serve --config "{1}"' -f (Join-Path $Prefix 'hearth.exe'), $config
New-Service -Name Hearth -DisplayName 'Hearth' -Description 'Local language models' -BinaryPathName $command -StartupType Automatic | Out-Null
Invoke-Checked sc.exe failure Hearth reset= 86400 actions= restart/5000
Start-Service Hearth
Write-Output "Hearth runs at $Urls; its configuration: $config"
