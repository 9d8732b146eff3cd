using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Hearth.Host.Service;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Templates;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth template FILE|MODEL --input CASES.json</c>: renders a chat template for many sets of variables.</summary>
internal static class TemplateVerb
{
    /// <summary>What strftime_now reads unless told otherwise: renderings are compared, so they must not change with the day.</summary>
    private static readonly DateTime FixedClock = new(2026, 11, 22, 12, 0, 0);

    public static Command Create(CommandEnvironment environment)
    {
        var source = new Argument<string>("FILE|MODEL") { Description = "A Jinja template, a GGUF file, or the name of one in a model folder." };
        var input = new Option<string?>("--input") { Description = "JSON: {case: {variable: value}} (default: what is piped in).", HelpName = "CASES.json" };
        var clock = new Option<string?>("--clock")
        {
            Description = "What strftime_now reads: a local time such as 2026-11-22T12:00:00 (default), or now.",
            HelpName = "TIME",
        };
        var command = new Command("template", "Render a chat template for test cases: {case: {\"text\"|\"error\": ...}}.") { source, input, clock };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var time = ParseClock(parsed.GetValue(clock));
            var template = await ReadTemplateAsync(ModelLocator.Find(parsed.GetRequiredValue(source)), cancellationToken);
            var cases = Encoding.UTF8.GetString(await environment.ReadAllAsync(parsed.GetValue(input), cancellationToken));
            try
            {
                environment.Output.WriteLine(TemplateCases.RenderJson(template, cases, time));
            }
            catch (JsonException exception)
            {
                throw new HearthException($"the cases are unusable: {exception.Message}", exception);
            }

            return 0;
        });
        return command;
    }

    private static async Task<string> ReadTemplateAsync(string path, CancellationToken cancellationToken)
    {
        if (!IsGguf(path))
        {
            return await File.ReadAllTextAsync(path, Encoding.UTF8, cancellationToken);
        }

        using var file = GgufFile.Open(path);
        return file.Metadata.Get<string>("tokenizer.chat_template");
    }

    private static bool IsGguf(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("GGUF"u8);
    }

    private static TimeProvider ParseClock(string? text) => text switch
    {
        "now" => TimeProvider.System,
        null => new StoppedClock(FixedClock),
        _ when DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) => new StoppedClock(time),
        _ => throw new UsageException($"--clock must be a time such as 2026-11-22T12:00:00, or now; found '{text}'"),
    };

    /// <summary>A clock that always shows the same local time.</summary>
    private sealed class StoppedClock(DateTime local) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(DateTime.SpecifyKind(local, DateTimeKind.Utc));
    }
}
