# Builds what is missing, then runs hearth with the given arguments. Building says nothing unless it fails.
$ErrorActionPreference = 'Stop'
$repo = Split-Path -Parent $PSScriptRoot
$configuration = if ($env:HEARTH_CONFIGURATION) { $env:HEARTH_CONFIGURATION } else { 'Release' }
$dll = Join-Path $repo "src/Host/bin/$configuration/net10.0/hearth.dll"
$stamp = "$dll.stamp"

function Test-Stale {
    if (-not (Test-Path $dll) -or -not (Test-Path $stamp)) { return $true }
    $built = (Get-Item $stamp).LastWriteTimeUtc
    $sources = @(Get-ChildItem (Join-Path $repo 'src') -Recurse -File | Where-Object { $_.FullName -notmatch '[\\/](bin|obj)[\\/]' })
    $sources += Get-ChildItem $repo -File | Where-Object { $_.Name -match '^(Directory\..*\.props|global\.json|CMakeLists\.txt|CMakePresets\.json)$' }
    return [bool]($sources | Where-Object { $_.LastWriteTimeUtc -gt $built } | Select-Object -First 1)
}

if (Test-Stale) {
    $began = [DateTime]::UtcNow
    $output = & dotnet build (Join-Path $repo 'src/Host/Hearth.Host.csproj') -c $configuration -v quiet 2>&1
    if ($LASTEXITCODE -ne 0) {
        $output | ForEach-Object { [Console]::Error.WriteLine($_) }
        exit 1
    }
    Set-Content -Path $stamp -Value ''
    (Get-Item $stamp).LastWriteTimeUtc = $began
}

& dotnet $dll @args
exit $LASTEXITCODE
