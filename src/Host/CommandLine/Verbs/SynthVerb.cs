using System.CommandLine;
using Hearth.Runtime.Synthesis;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth synth --shape E,L,H,KV,FF,V --type T [--experts N --experts-used N] OUT</c>: a random-weight model for benchmarks.</summary>
internal static class SynthVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var shape = new Option<string>("--shape") { Description = "Embedding, layers, heads, KV heads, feed-forward, vocabulary.", HelpName = "E,L,H,KV,FF,V", Required = true };
        var type = new Option<string>("--type") { Description = $"One of {string.Join(", ", ModelSynthesizer.Types)}.", HelpName = "TYPE", Required = true };
        var experts = new Option<int>("--experts") { Description = "Experts of every layer, each of the feed-forward width (default: 0, a dense model).", HelpName = "N" };
        var used = new Option<int>("--experts-used") { Description = "Experts that a token meets (default: 2 of them, or the one there is).", HelpName = "N" };
        var seed = new Option<ulong>("--seed") { Description = "The same seed gives the same bytes (default: 1).", HelpName = "N", DefaultValueFactory = _ => 1 };
        var output = new Argument<string>("OUT") { Description = "The file to write." };
        var command = new Command("synth", "Write a random-weight model for benchmarks.") { shape, type, experts, used, seed, output };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () =>
            {
                try
                {
                    var progress = environment.ErrorIsPiped ? null : new ByteProgress(environment.Error, "writing");
                    var sizes = SyntheticShape.Parse(parsed.GetRequiredValue(shape)) with { Experts = parsed.GetValue(experts) };
                    sizes = sizes with { ExpertsUsed = parsed.GetResult(used) is null ? Math.Min(2, sizes.Experts) : parsed.GetValue(used) };
                    ModelSynthesizer.Write(parsed.GetRequiredValue(output), sizes, parsed.GetRequiredValue(type), parsed.GetValue(seed), progress, cancellationToken);
                    progress?.Clear();
                }
                catch (Exception exception) when (exception is FormatException or ArgumentException or UnsupportedModelException)
                {
                    throw new UsageException($"--shape, --type or --experts: {(exception as ArgumentException)?.Reason() ?? exception.Message}");
                }

                return 0;
            },
            CancellationToken.None));
        return command;
    }
}
