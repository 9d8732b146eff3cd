using System.Globalization;
using System.Text;

namespace Hearth.Host.Service;

/// <summary>What a systemd unit of the service says of it.</summary>
internal sealed record SystemdUnitOptions
{
    /// <summary>The unit's name, without ".service".</summary>
    public string Name { get; init; } = "hearth";

    /// <summary>The program and its first arguments; the first is an absolute path.</summary>
    public required IReadOnlyList<string> Program { get; init; }

    /// <summary>The configuration file.</summary>
    public required string Configuration { get; init; }

    /// <summary>Who the service runs as.</summary>
    public string User { get; init; } = "hearth";

    /// <summary>Seconds that open answers may go on once the service is to stop.</summary>
    public double DrainSeconds { get; init; } = 30;

    /// <summary>Seconds without a sign of life after which the service is started anew; 0: it is not watched.</summary>
    public int WatchdogSeconds { get; init; } = 60;

    /// <summary>Whether it listens on ports below 1024.</summary>
    public bool UsesLowPorts { get; init; }

    /// <summary>Folders beside its own that it writes to, such as caches and those that models are pulled into.</summary>
    public IReadOnlyList<string> WritableFolders { get; init; } = [];

    /// <summary>Variables of its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}

/// <summary>The text of a systemd unit: what the service may do, and how it is started, watched, reloaded and stopped.</summary>
/// <remarks>Source: systemd.service(5), systemd.exec(5). Memory that is written and run (MemoryDenyWriteExecute) is what .NET compiles into.</remarks>
internal static class SystemdUnit
{
    /// <summary>Beyond the time to drain, what last events, the saving of caches and the freeing of models may take.</summary>
    private const int StopSeconds = 30;

    public static string Text(SystemdUnitOptions options)
    {
        var text = new StringBuilder();
        Section("Unit");
        Line("Description", "Hearth, local language models");
        Line("Documentation", "man:systemd.service(5)");
        Line("Wants", "network-online.target");
        Line("After", "network-online.target");
        Comment("A model that cannot be loaded is no better the sixth time.");
        Line("StartLimitIntervalSec", "300");
        Line("StartLimitBurst", "5");
        Section("Service");
        Comment("Ready once the models are; while they load the service asks for more time itself, and says how far it is.");
        Line("Type", "notify");
        Line("NotifyAccess", "main");
        Line("ExecStart", string.Join(' ', options.Program.Concat(["serve", "--config", options.Configuration]).Select(Quoted)));
        Comment("Keys, models, presets, limits and log levels are read anew; conversations stay.");
        Line("ExecReload", "/bin/kill -HUP $MAINPID");
        Line("TimeoutStartSec", "120");
        Line("TimeoutStopSec", string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(options.DrainSeconds) + StopSeconds}"));
        if (options.WatchdogSeconds > 0)
        {
            Line("WatchdogSec", options.WatchdogSeconds.ToString(CultureInfo.InvariantCulture));
        }

        Line("Restart", "on-failure");
        Line("RestartSec", "5");
        Comment("Wrong usage stays wrong.");
        Line("RestartPreventExitStatus", "2");
        Line("User", options.User);
        foreach (var (name, value) in options.Environment.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            Line("Environment", Quoted($"{name}={value}"));
        }

        Comment("Where it keeps things: /var/lib and /var/cache.");
        Line("StateDirectory", options.Name);
        Line("CacheDirectory", options.Name);
        Line("WorkingDirectory", $"/var/lib/{options.Name}");
        Line("UMask", "0077");
        Comment("What it cannot do, whatever it is sent.");
        Line("NoNewPrivileges", "true");
        Line("CapabilityBoundingSet", options.UsesLowPorts ? "CAP_NET_BIND_SERVICE" : "");
        Line("AmbientCapabilities", options.UsesLowPorts ? "CAP_NET_BIND_SERVICE" : "");
        Line("ProtectSystem", "strict");
        Line("ProtectHome", "true");
        foreach (var folder in options.WritableFolders)
        {
            Line("ReadWritePaths", Quoted("-" + folder));
        }

        foreach (var name in new[]
        {
            "PrivateTmp", "PrivateDevices", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups",
            "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "RemoveIPC",
        })
        {
            Line(name, "true");
        }

        Line("ProtectProc", "invisible");
        Line("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK");
        Line("SystemCallArchitectures", "native");
        Line("SystemCallFilter", "@system-service");
        Line("SystemCallErrorNumber", "EPERM");
        Section("Install");
        Line("WantedBy", "multi-user.target");
        return text.ToString();

        void Section(string name) => text.Append(text.Length > 0 ? "\n" : "").Append('[').Append(name).Append("]\n");
        void Comment(string comment) => text.Append("# ").Append(comment).Append('\n');
        void Line(string name, string value) => text.Append(name).Append('=').Append(value).Append('\n');
    }

    /// <summary>A word of a command line as systemd reads it: one word, nothing of it a specifier or a variable.</summary>
    internal static string Quoted(string word)
    {
        if (word.Any(char.IsControl))
        {
            throw new HearthException($"'{new string([.. word.Select(letter => char.IsControl(letter) ? '?' : letter)])}' cannot stand in a unit: it holds control characters");
        }

        var plain = word.Replace("%", "%%", StringComparison.Ordinal).Replace("$", "$$", StringComparison.Ordinal);
        return plain.Length > 0 && plain.All(letter => char.IsAsciiLetterOrDigit(letter) || "/._-=:,+@%$".Contains(letter, StringComparison.Ordinal))
            ? plain : $"\"{plain.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
    }
}
