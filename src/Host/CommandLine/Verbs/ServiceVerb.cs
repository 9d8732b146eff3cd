using System.CommandLine;
using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth service install, uninstall, status</c>: makes the service one of systemd's, or of Windows'.</summary>
internal static class ServiceVerb
{
    private const string UsualName = "hearth";

    public static Command Create(CommandEnvironment environment)
    {
        var name = new Option<string>("--name") { Description = "The service's name (default: hearth).", HelpName = "NAME", Recursive = true, DefaultValueFactory = _ => UsualName };
        var command = new Command("service", "Make Hearth a service of this system (systemd, or Windows), and take it away again.")
        {
            CreateInstall(environment, name),
            CreateUninstall(environment, name),
            CreateStatus(environment, name),
        };
        command.Options.Add(name);
        return command;
    }

    private static Command CreateInstall(CommandEnvironment environment, Option<string> name)
    {
        var config = new Option<string?>("--config") { Description = $"Its configuration; written where there is none yet (default: {UsualConfiguration(UsualName)}).", HelpName = "FILE" };
        var urls = new Option<string?>("--urls") { Description = $"Where it listens, for a configuration that is written (default: {ServiceConfiguration.DefaultUrls}).", HelpName = "URLS" };
        var models = new Option<string[]>("--model") { Description = "A GGUF file, for a configuration that is written; may be given several times (default: the demo model, and what is in the service's folder of models).", HelpName = "FILE" };
        var user = new Option<string>("--user") { Description = "Who it runs as; made where there is none (systemd; default: hearth).", HelpName = "USER", DefaultValueFactory = _ => UsualName };
        var print = new Option<bool>("--print") { Description = "Print what would be done, and do nothing." };
        var command = new Command("install", "Install and start the service; again: with this program, the configuration kept.") { config, urls, models, user, print };
        command.SetAction(parsed =>
        {
            var service = CheckedName(parsed.GetRequiredValue(name));
            var file = Path.GetFullPath(parsed.GetValue(config) ?? UsualConfiguration(service));
            var first = FirstConfiguration(service, parsed.GetValue(urls), parsed.GetValue(models) ?? []);
            if (parsed.GetValue(urls) is not null || parsed.GetValue(models) is { Length: > 0 })
            {
                RefuseForOldFile(file);
            }

            var steps = OperatingSystem.IsWindows()
                ? ServicePlan.InstallOnWindows(service, Program(), file, first)
                : ServicePlan.InstallOnSystemd(UnitOf(service, parsed.GetRequiredValue(user), file), first);
            if (parsed.GetValue(print))
            {
                Print(environment, steps);
                return 0;
            }

            CheckPlace();
            CheckRights();
            ServiceSteps.Run(steps);
            environment.Error.WriteLine(OperatingSystem.IsWindows()
                ? $"hearth: the service {service} is installed; its configuration is {file}, its log the event log (Application, Hearth)"
                : $"hearth: the service {service} is installed; its configuration is {file}, its log 'journalctl -u {service}'");
            return 0;
        });
        return command;
    }

    private static Command CreateUninstall(CommandEnvironment environment, Option<string> name)
    {
        var print = new Option<bool>("--print") { Description = "Print what would be done, and do nothing." };
        var command = new Command("uninstall", "Stop and remove the service; its configuration, keys and models stay.") { print };
        command.SetAction(parsed =>
        {
            var service = CheckedName(parsed.GetRequiredValue(name));
            var steps = OperatingSystem.IsWindows() ? ServicePlan.RemoveFromWindows(service) : ServicePlan.RemoveFromSystemd(service);
            if (parsed.GetValue(print))
            {
                Print(environment, steps);
                return 0;
            }

            CheckRights();
            if (!OperatingSystem.IsWindows() && !File.Exists(ServicePlan.UnitFile(service)))
            {
                throw new HearthException($"there is no service {service}: {ServicePlan.UnitFile(service)} does not exist");
            }

            ServiceSteps.Run(steps);
            environment.Error.WriteLine($"hearth: the service {service} is gone; its configuration, keys and models stay");
            return 0;
        });
        return command;
    }

    private static Command CreateStatus(CommandEnvironment environment, Option<string> name)
    {
        var command = new Command("status", "Tell whether the service runs and what it says of itself; status 1 where it does not run.");
        command.SetAction(parsed =>
        {
            var service = CheckedName(parsed.GetRequiredValue(name));
            if (OperatingSystem.IsWindows())
            {
                var (_, text) = ServiceSteps.Run(new RunStep("sc.exe", "query", service));
                environment.Output.WriteLine(text);
                return text.Contains("RUNNING", StringComparison.Ordinal) ? 0 : 1;
            }

            CheckSystemd();
            var (_, shown) = ServiceSteps.Run(new RunStep("systemctl", "show", service + ".service", "--property=LoadState,ActiveState,SubState,StatusText,MainPID,NRestarts,MemoryCurrent,ActiveEnterTimestamp"));
            var values = shown.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1].Trim(), StringComparer.Ordinal);
            if (values.GetValueOrDefault("LoadState") != "loaded")
            {
                throw new HearthException(shown.Contains('=', StringComparison.Ordinal) ? $"there is no service {service}" : shown);
            }

            environment.Output.WriteLine($"{service}: {values.GetValueOrDefault("ActiveState")} ({values.GetValueOrDefault("SubState")})");
            foreach (var (label, key) in new[] { ("says", "StatusText"), ("since", "ActiveEnterTimestamp"), ("process", "MainPID"), ("restarts", "NRestarts"), ("bytes", "MemoryCurrent") })
            {
                if (values.GetValueOrDefault(key) is { Length: > 0 } value && value is not "[not set]")
                {
                    environment.Output.WriteLine($"{label}: {value}");
                }
            }

            return values.GetValueOrDefault("ActiveState") is "active" or "reloading" ? 0 : 1;
        });
        return command;
    }

    private static SystemdUnitOptions UnitOf(string service, string user, string file)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);

        // A program that brings no runtime finds it by this where it is not in its usual place.
        var program = Program();
        if (Path.GetDirectoryName(typeof(object).Assembly.Location) is { Length: > 0 } runtime && Path.GetFullPath(Path.Combine(runtime, "..", "..", "..")) is var root && File.Exists(Path.Combine(root, "dotnet")))
        {
            environment["DOTNET_ROOT"] = root;
        }

        // .NET writes what its tools may attach to beside the temporary files of everybody.
        environment["DOTNET_EnableDiagnostics"] = "0";
        return new SystemdUnitOptions
        {
            Name = service,
            Program = program,
            Configuration = file,
            User = user,
            Environment = environment,
            DrainSeconds = File.Exists(file) ? ReadDrain(file) : new ServiceLimits().DrainSeconds,
            UsesLowPorts = File.Exists(file) && ReadUrls(file).Any(address => !address.IsUnixPipe && address.Port is > 0 and < 1024),
        };
    }

    private static IEnumerable<BindingAddress> ReadUrls(string file)
    {
        var configuration = Read(file);
        return ConfigurationReader.Text(configuration, "Urls") is { } urls ? ListenAddress.ParseAll(urls, $"{file}: Urls")
            : configuration.GetSection("Kestrel:Endpoints").GetChildren().SelectMany(endpoint => ListenAddress.ParseAll(endpoint["Url"] ?? "", $"{file}: {endpoint.Path}:Url"));
    }

    private static double ReadDrain(string file) => ConfigurationReader.Record<ServiceLimits>(Read(file), Read(file).GetSection("Limits")).DrainSeconds;

    private static IConfigurationRoot Read(string file)
    {
        var builder = new ConfigurationBuilder();
        ConfigurationSources.Add(builder, file);
        return builder.Build();
    }

    // How this very program is started again.
    private static IReadOnlyList<string> Program()
    {
        var process = Environment.ProcessPath ?? throw new HearthException("this program does not know its own file");
        var assembly = Path.Combine(AppContext.BaseDirectory, "hearth.dll");
        return Path.GetFileNameWithoutExtension(process).Equals("dotnet", StringComparison.OrdinalIgnoreCase) ? [process, assembly] : [process];
    }

    private static string UsualConfiguration(string service) => OperatingSystem.IsWindows()
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "Hearth", ConfigurationSources.FileName)
        : $"/etc/{service}/{ConfigurationSources.FileName}";

    private static string FirstConfiguration(string service, string? urls, string[] models)
    {
        if (urls is not null)
        {
            ListenAddress.ParseAll(urls, "--urls");
        }

        var folder = OperatingSystem.IsWindows() ? Path.Combine(Path.GetDirectoryName(UsualConfiguration(service))!, "models") : $"/var/lib/{service}/models";
        var described = models.Length > 0 ? models.Select(ModelLocator.Find) : [ModelLocator.FindDefault()];
        var text = new JsonObject
        {
            ["Urls"] = urls ?? ServiceConfiguration.DefaultUrls,
            ["Models"] = new JsonArray([.. described.Select(path => new JsonObject { ["Path"] = Path.GetFullPath(path) })]),
            ["ModelFolders"] = new JsonArray(folder),
            ["Limits"] = new JsonObject { ["DrainSeconds"] = 30 },
        };
        return text.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true }) + Environment.NewLine;
    }

    private static void RefuseForOldFile(string file)
    {
        if (File.Exists(file))
        {
            throw new UsageException($"{file} is there already: its Urls and Models are what --urls and --model would say");
        }
    }

    private static string CheckedName(string name)
        => name.Length is > 0 and <= 64 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_') ? name
            : throw new UsageException($"--name wants letters, digits, '-' and '_', found '{name}'");

    private static void CheckPlace()
    {
        var folder = AppContext.BaseDirectory;
        if (!OperatingSystem.IsWindows() && (folder.StartsWith("/root/", StringComparison.Ordinal) || folder.StartsWith("/home/", StringComparison.Ordinal)))
        {
            throw new HearthException($"this program lies in {folder}, where the service's user may not read; put it elsewhere, with 'dotnet tool install hearth --tool-path /opt/hearth' say");
        }
    }

    private static void CheckRights()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new HearthException(OperatingSystem.IsWindows() ? "this must be run as administrator" : "this must be run as root");
        }

        CheckSystemd();
    }

    private static void CheckSystemd()
    {
        if (!OperatingSystem.IsWindows() && !File.Exists("/usr/bin/systemctl") && !File.Exists("/bin/systemctl"))
        {
            throw new HearthException("this system has no systemd; 'hearth serve' runs under any other supervisor");
        }
    }

    private static void Print(CommandEnvironment environment, IReadOnlyList<ServiceStep> steps)
    {
        foreach (var step in steps)
        {
            environment.Output.WriteLine(step is WriteStep write ? $"# {write.Path}{(write.KeepsOld ? " (where there is none)" : "")}\n{write.Text}" : step.ToString());
        }
    }
}
