using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Engines;
using Hearth.Runtime.Interop;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth doctor</c>: what was probed on this machine; fails where the engine cannot run.</summary>
internal static class DoctorVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("doctor", "Show what was probed: library, instruction sets, memory, the demo model.") { json };
        command.SetAction(parsed =>
        {
            var (report, healthy) = Examine();
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(JsonOutput.Write(report));
            }
            else
            {
                foreach (var (key, value) in report)
                {
                    environment.Output.WriteLine($"{key.Replace('_', ' '),-18} {Show(value)}");
                }
            }

            return healthy ? 0 : HearthCommand.Failed;
        });
        return command;
    }

    private static (JsonObject Report, bool Healthy) Examine()
    {
        var report = new JsonObject
        {
            ["version"] = typeof(DoctorVerb).Assembly.GetName().Version?.ToString(3),
            ["system"] = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}".ToString(CultureInfo.InvariantCulture),
            ["dotnet"] = RuntimeInformation.FrameworkDescription,
        };
        var healthy = true;
        try
        {
            var engine = Engine.Probe();
            report["library"] = engine.LibraryPath;
            report["processor"] = engine.Processor;
            report["processors"] = engine.Processors;
            report["cores"] = engine.Cores;
            report["instruction_sets"] = new JsonArray([.. engine.Available.Select(set => (JsonNode)set.ToString())]);
            report["best"] = engine.Best.ToString();
            if (Environment.GetEnvironmentVariable(Engine.InstructionSetVariable) is { Length: > 0 } forced)
            {
                report["forced"] = $"{forced} ({Engine.InstructionSetVariable})";
            }

            // Starting the engine shows what probing alone cannot: that the chosen instruction set and the threads are there.
            _ = Engine.Get();
            report["engine"] = "starts";
        }
        catch (NativeLibraryException exception)
        {
            report["engine"] = exception.Message;
            healthy = false;
        }

        report["memory_bytes"] = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        report["gpus"] = "none: Hearth's own engine computes on the processor";
        foreach (var other in ModelEngines.All)
        {
            // Another engine that cannot run takes nothing from Hearth's own.
            try
            {
                report[$"engine_{other.Name}"] = other.Describe();
            }
            catch (NativeLibraryException exception)
            {
                report[$"engine_{other.Name}"] = exception.Message;
            }
        }

        try
        {
            report["demo_model"] = ModelLocator.FindDefault();
        }
        catch (HearthException exception)
        {
            report["demo_model"] = exception.Message;
        }

        return (report, healthy);
    }

    private static string Show(JsonNode? value) => value switch
    {
        JsonArray array => string.Join(", ", array.Select(item => item?.ToString())),
        JsonValue number when number.TryGetValue<long>(out var bytes) && bytes > 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1073741824.0:0.0} GiB"),
        _ => value?.ToString() ?? "",
    };
}
