using System.CommandLine;
using Hearth.Runtime.Synthesis;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth synth [--like ARCH] [--shape E,L,H,KV,FF,V] --type T [--experts N --experts-used N] OUT</c>: a random-weight model for benchmarks.</summary>
internal static class SynthVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var shape = new Option<string>("--shape") { Description = "Embedding, layers, heads, KV heads, feed-forward, vocabulary.", HelpName = "E,L,H,KV,FF,V" };
        var like = new Option<string>("--like") { Description = $"Architecture, and where --shape does not say otherwise the sizes of a known model of it: one of {string.Join(", ", ModelSynthesizer.Architectures)} (default: llama).", HelpName = "ARCH" };
        var type = new Option<string>("--type") { Description = $"One of {string.Join(", ", ModelSynthesizer.Types)}.", HelpName = "TYPE", Required = true };
        var experts = new Option<int>("--experts") { Description = "Experts of every layer, each of the feed-forward width (default: 0, a dense model).", HelpName = "N" };
        var used = new Option<int>("--experts-used") { Description = "Experts that a token meets (default: 2 of them, or the one there is).", HelpName = "N" };
        var seed = new Option<ulong>("--seed") { Description = "The same seed gives the same bytes (default: 1).", HelpName = "N", DefaultValueFactory = _ => 1 };
        var output = new Argument<string>("OUT") { Description = "The file to write." };
        var command = new Command("synth", "Write a random-weight model for benchmarks.") { like, shape, type, experts, used, seed, output };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () =>
            {
                try
                {
                    var progress = environment.ErrorIsPiped ? null : new ByteProgress(environment.Error, "writing");
                    var sizes = Sizes(parsed.GetValue(like), parsed.GetValue(shape)) with { Experts = parsed.GetValue(experts) };
                    sizes = sizes with { ExpertsUsed = parsed.GetResult(used) is null ? Math.Min(2, sizes.Experts) : parsed.GetValue(used) };
                    ModelSynthesizer.Write(parsed.GetRequiredValue(output), sizes, parsed.GetRequiredValue(type), parsed.GetValue(seed), progress, cancellationToken);
                    progress?.Clear();
                }
                catch (Exception exception) when (exception is FormatException or ArgumentException or UnsupportedModelException)
                {
                    throw new UsageException($"--like, --shape, --type or --experts: {(exception as ArgumentException)?.Reason() ?? exception.Message}");
                }

                return 0;
            },
            CancellationToken.None));
        return command;
    }

    private static SyntheticShape Sizes(string? like, string? shape)
    {
        if (like is null && shape is null)
            throw new UsageException("--shape or --like: which model?");
        var known = like is null ? default(SyntheticShape?) : SyntheticShape.Like(like);
        return shape is null ? known!.Value : SyntheticShape.Parse(shape) with { Architecture = known?.Architecture ?? "llama" };
    }
}
