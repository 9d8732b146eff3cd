namespace Hearth.Host.Service;

/// <summary>A step of an installation: a file that is written, or a command that is run.</summary>
internal abstract record ServiceStep
{
    /// <summary>Whether what follows does not wait for its success.</summary>
    public bool MayFail { get; init; }
}

/// <summary>Writes a file.</summary>
/// <param name="Path">Where.</param>
/// <param name="Text">What.</param>
/// <param name="KeepsOld">Whether one that is there stays as it is.</param>
internal sealed record WriteStep(string Path, string Text, bool KeepsOld) : ServiceStep;

/// <summary>Runs a program.</summary>
/// <param name="Program">Its name.</param>
/// <param name="Arguments">Its arguments, each as it is.</param>
internal sealed record RunStep(string Program, params string[] Arguments) : ServiceStep
{
    public override string ToString() => string.Join(' ', Arguments.Prepend(Program).Select(word => word.Length > 0 && !word.Any(char.IsWhiteSpace) ? word : $"\"{word}\""));
}

/// <summary>What is done to make the service one of the system's, and to take it away again. Nothing is done here.</summary>
internal static class ServicePlan
{
    private const string EventSources = @"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\";

    /// <summary>systemd's: a user of its own, the configuration and an empty file of keys that it may read, the unit.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="configuration">What the configuration says where there is none yet.</param>
    public static IReadOnlyList<ServiceStep> InstallOnSystemd(SystemdUnitOptions unit, string configuration)
    {
        var folder = Path.GetDirectoryName(unit.Configuration)!;
        var keys = Path.Combine(folder, KeyFile.FileName);
        List<ServiceStep> steps =
        [
            new RunStep("mkdir", "-p", folder),
            new WriteStep(unit.Configuration, configuration, KeepsOld: true),
            new WriteStep(keys, "", KeepsOld: true),
        ];
        if (unit.User != "root")
        {
            steps.Add(new RunStep("sh", "-c", "id -u \"$1\" > /dev/null 2>&1 || useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \"$1\"", "sh", unit.User));
        }

        // The configuration may name secrets, of certificates say; the keys are the service's own.
        steps.Add(new RunStep("chgrp", "--", $"{GroupOf(unit.User)}", unit.Configuration));
        steps.Add(new RunStep("chmod", "640", unit.Configuration));
        steps.Add(new RunStep("chown", "--", $"{unit.User}:", keys));
        steps.Add(new RunStep("chmod", "600", keys));
        steps.Add(new WriteStep(UnitFile(unit.Name), SystemdUnit.Text(unit), KeepsOld: false));
        steps.Add(new RunStep("systemctl", "daemon-reload"));
        steps.Add(new RunStep("systemctl", "enable", unit.Name + ".service"));
        steps.Add(new RunStep("systemctl", "restart", unit.Name + ".service"));
        return steps;
    }

    public static IReadOnlyList<ServiceStep> RemoveFromSystemd(string name) =>
    [
        new RunStep("systemctl", "disable", "--now", name + ".service") { MayFail = true },
        new RunStep("rm", "-f", "--", UnitFile(name)),
        new RunStep("systemctl", "daemon-reload"),
        new RunStep("systemctl", "reset-failed", name + ".service") { MayFail = true },
    ];

    public static string UnitFile(string name) => $"/etc/systemd/system/{name}.service";

    /// <summary>Windows': an account that may little, started with the system, started again when it fails, a source of the event log.</summary>
    /// <param name="name">The service's name.</param>
    /// <param name="program">The program and its first arguments.</param>
    /// <param name="file">The configuration file.</param>
    /// <param name="configuration">What it says where there is none yet.</param>
    public static IReadOnlyList<ServiceStep> InstallOnWindows(string name, IReadOnlyList<string> program, string file, string configuration)
    {
        var command = string.Join(' ', program.Concat(["serve", "--config", file]).Select(word => $"\"{word}\""));
        var folder = ParentOf(file);
        return
        [
            new RunStep("cmd.exe", "/d", "/c", "if", "not", "exist", folder, "mkdir", folder),
            new WriteStep(file, configuration, KeepsOld: true),

            // The keys and what they have used are the service's to read and write, and no other user's.
            new RunStep("icacls.exe", folder, "/inheritance:r", "/grant:r", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-19:(OI)(CI)M") { MayFail = true },
            new RunStep("sc.exe", "stop", name) { MayFail = true },
            new RunStep("sc.exe", "delete", name) { MayFail = true },
            new RunStep("sc.exe", "create", name, "binPath=", command, "start=", "delayed-auto", "obj=", @"NT AUTHORITY\LocalService", "DisplayName=", "Hearth"),
            new RunStep("sc.exe", "description", name, "Local language models"),
            new RunStep("sc.exe", "failure", name, "reset=", "86400", "actions=", "restart/5000/restart/30000/restart/60000"),

            // Ending with an error counts as failing, not a crash alone.
            new RunStep("sc.exe", "failureflag", name, "1"),
            new RunStep("reg.exe", "add", EventSources + "Hearth", "/v", "EventMessageFile", "/t", "REG_EXPAND_SZ", "/d", @"%SystemRoot%\Microsoft.NET\Framework64\v4.0.30319\EventLogMessages.dll", "/f"),
            new RunStep("sc.exe", "start", name),
        ];
    }

    public static IReadOnlyList<ServiceStep> RemoveFromWindows(string name) =>
    [
        new RunStep("sc.exe", "stop", name) { MayFail = true },
        new RunStep("sc.exe", "delete", name),
        new RunStep("reg.exe", "delete", EventSources + "Hearth", "/f") { MayFail = true },
    ];

    // A Windows path, on whichever system the plan is made.
    private static string ParentOf(string file) => file[..Math.Max(0, file.LastIndexOfAny(['\\', '/']))];

    private static string GroupOf(string user) => user;
}
