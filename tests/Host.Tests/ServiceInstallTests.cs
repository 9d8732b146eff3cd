using System.Diagnostics;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;

namespace Hearth.Host.Tests;

/// <summary>hearth service: the unit, and what is done to install and remove it.</summary>
public sealed class ServiceInstallTests
{
    private static readonly SystemdUnitOptions Options = new()
    {
        Program = ["/usr/bin/env", "/opt/my hearth/100%/hearth.dll"],
        Configuration = "/etc/hearth/hearth.json",
        DrainSeconds = 12.5,
        Environment = new Dictionary<string, string> { ["DOTNET_ROOT"] = "/usr/share/dotnet", ["A"] = "b \"c\" $d" },
    };

    [Fact]
    public void The_unit_says_how_the_service_is_started_watched_reloaded_and_stopped()
    {
        var lines = SystemdUnit.Text(Options).Split('\n');
        foreach (var line in new[]
        {
            "Type=notify", "ExecStart=/usr/bin/env \"/opt/my hearth/100%%/hearth.dll\" serve --config /etc/hearth/hearth.json", "ExecReload=/bin/kill -HUP $MAINPID",
            "WatchdogSec=60", "TimeoutStopSec=43", "Restart=on-failure", "StartLimitBurst=5", "RestartPreventExitStatus=2", "User=hearth", "StateDirectory=hearth",
            "Environment=DOTNET_ROOT=/usr/share/dotnet", "Environment=\"A=b \\\"c\\\" $$d\"", "UMask=0077", "WantedBy=multi-user.target",
            "NoNewPrivileges=true", "ProtectSystem=strict", "ProtectHome=true", "PrivateTmp=true", "PrivateDevices=true", "CapabilityBoundingSet=", "RestrictNamespaces=true",
            "SystemCallFilter=@system-service", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        })
        {
            Assert.Contains(line, lines);
        }

        // What .NET compiles into is written and then run.
        Assert.DoesNotContain(lines, line => line.StartsWith("MemoryDenyWriteExecute", StringComparison.Ordinal));
    }

    [Fact]
    public void The_unit_follows_its_options()
    {
        var text = SystemdUnit.Text(Options with { Name = "second", User = "llm", UsesLowPorts = true, WatchdogSeconds = 0, WritableFolders = ["/srv/my models"] });
        foreach (var line in new[] { "User=llm", "StateDirectory=second", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE", "ReadWritePaths=\"-/srv/my models\"" })
        {
            Assert.Contains(line, text.Split('\n'));
        }

        Assert.DoesNotContain("WatchdogSec", text, StringComparison.Ordinal);
        Assert.Throws<HearthException>(() => SystemdUnit.Text(Options with { Configuration = "/etc/a\nExecStartPre=/bin/evil" }));
    }

    [Fact]
    public async Task Systemd_finds_nothing_wrong_with_the_unit()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "systemd-analyze is not here");
        using var folder = new TemporaryFolder();
        foreach (var options in new[] { Options, Options with { UsesLowPorts = true, User = "root", WritableFolders = ["/srv/my models"] } })
        {
            var unit = folder.Write("hearth.service", SystemdUnit.Text(options with { User = "root" }));
            using var process = Process.Start(new ProcessStartInfo("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", unit]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var said = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.DoesNotContain("hearth.service", said, StringComparison.Ordinal);
            Assert.Equal(0, process.ExitCode);
        }
    }

    [Fact]
    public void Installing_on_systemd_keeps_what_is_there_and_hands_the_keys_to_the_services_user()
    {
        var steps = ServicePlan.InstallOnSystemd(Options, "{}");
        var writes = steps.OfType<WriteStep>().ToList();
        Assert.Equal([("/etc/hearth/hearth.json", true), ("/etc/hearth/keys.json", true), ("/etc/systemd/system/hearth.service", false)], writes.Select(step => (step.Path, step.KeepsOld)));
        var commands = steps.OfType<RunStep>().Select(step => step.ToString()).ToList();
        Assert.Contains("chown -- hearth: /etc/hearth/keys.json", commands);
        Assert.Contains("chmod 600 /etc/hearth/keys.json", commands);
        Assert.Equal(["systemctl daemon-reload", "systemctl enable hearth.service", "systemctl restart hearth.service"], commands[^3..]);
        Assert.Equal(
            ["systemctl disable --now hearth.service", "rm -f -- /etc/systemd/system/hearth.service", "systemctl daemon-reload", "systemctl reset-failed hearth.service"],
            ServicePlan.RemoveFromSystemd("hearth").Select(step => step.ToString()));
    }

    [Fact]
    public void Installing_on_Windows_names_account_recovery_and_event_log()
    {
        var steps = ServicePlan.InstallOnWindows("Hearth", [@"C:\Program Files\Hearth\hearth.exe"], @"C:\ProgramData\Hearth\hearth.json", "{}").OfType<RunStep>().ToList();
        var create = steps.Single(step => step.Arguments is ["create", ..]);
        Assert.Equal(
            ["create", "Hearth", "binPath=", "\"C:\\Program Files\\Hearth\\hearth.exe\" \"serve\" \"--config\" \"C:\\ProgramData\\Hearth\\hearth.json\"", "start=", "delayed-auto", "obj=", @"NT AUTHORITY\LocalService", "DisplayName=", "Hearth"],
            create.Arguments);
        Assert.Contains(steps, step => step.Arguments is ["failure", "Hearth", "reset=", "86400", "actions=", "restart/5000/restart/30000/restart/60000"]);
        Assert.Contains(steps, step => step.Arguments is ["failureflag", "Hearth", "1"]);
        Assert.Contains(steps, step => step.Program == "reg.exe" && step.Arguments[1] == @"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\Hearth");
        Assert.Equal(["stop", "delete", "delete"], ServicePlan.RemoveFromWindows("Hearth").OfType<RunStep>().Select(step => step.Arguments[0]));
    }

    [Fact]
    public async Task Print_shows_the_plan_and_does_nothing()
    {
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "none", "hearth.json");
        var (code, output, _) = await RunAsync("install", "--print", "--config", file, "--model", Ember.Path, "--name", "trial");
        Assert.Equal(0, code);
        Assert.Contains(file, output, StringComparison.Ordinal);
        Assert.Contains(Ember.Path, output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.GetDirectoryName(file)));
    }

    [Fact]
    public async Task A_step_that_fails_ends_the_plan_and_is_named()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the commands are Unix's");
        using var folder = new TemporaryFolder();
        var after = Path.Combine(folder.Path, "after");
        var failure = Assert.Throws<HearthException>(() => ServiceSteps.Run([new RunStep("sh", "-c", "exit 1") { MayFail = true }, new RunStep("sh", "-c", "echo broken >&2; exit 3"), new WriteStep(after, "", false)]));
        Assert.Equal("'sh -c \"echo broken >&2; exit 3\"' failed with status 3: broken", failure.Message);
        Assert.False(File.Exists(after));
        Assert.Contains("cannot be run", Assert.Throws<HearthException>(() => ServiceSteps.Run([new RunStep("no-such-program-here")])).Message, StringComparison.Ordinal);
        var (code, _, error) = await RunAsync("install", "--print", "--name", "a b");
        Assert.Equal(2, code);
        Assert.Contains("--name wants", error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var error = new StringWriter();
        using var output = new StringWriter();
        var environment = new CommandEnvironment { Input = Stream.Null, Output = output, Error = error, Load = (_, _, _) => throw new InvalidOperationException() };
        var code = await HearthCommand.RunAsync(["service", .. arguments], environment, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
