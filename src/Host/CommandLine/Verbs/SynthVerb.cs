using System.CommandLine;
using Hearth.Runtime.Gguf;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth synth --shape E,L,H,KV,FF,V --type T OUT</c>: a random-weight model for benchmarks.</summary>
internal static class SynthVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var shape = new Option<string>("--shape") { Description = "Embedding, layers, heads, KV heads, feed-forward, vocabulary.", HelpName = "E,L,H,KV,FF,V", Required = true };
        var type = new Option<string>("--type") { Description = $"One of {string.Join(", ", ModelSynthesizer.Types)}.", HelpName = "TYPE", Required = true };
        var seed = new Option<ulong>("--seed") { Description = "The same seed gives the same bytes (default: 1).", HelpName = "N", DefaultValueFactory = _ => 1 };
        var output = new Argument<string>("OUT") { Description = "The file to write." };
        var command = new Command("synth", "Write a random-weight model for benchmarks.") { shape, type, seed, output };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () =>
            {
                try
                {
                    var progress = environment.ErrorIsPiped ? null : new WriteProgress(environment.Error);
                    ModelSynthesizer.Write(
                        parsed.GetRequiredValue(output), SyntheticShape.Parse(parsed.GetRequiredValue(shape)), parsed.GetRequiredValue(type),
                        parsed.GetValue(seed), progress, cancellationToken);
                    progress?.Clear();
                }
                catch (Exception exception) when (exception is FormatException or ArgumentException or UnsupportedModelException)
                {
                    throw new UsageException(exception.Message);
                }

                return 0;
            },
            CancellationToken.None));
        return command;
    }
}
