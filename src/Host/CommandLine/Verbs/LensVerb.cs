using System.CommandLine;
using System.Globalization;
using System.Text;
using Hearth.Host.Lens;
using Hearth.Host.Service;
using Hearth.Runtime.Caching;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth lens MODEL --prompt T --output F</c>: the attention probabilities of a text as a page, a picture or data.</summary>
internal static class LensVerb
{
    // An answer of an encoder–decoder, where none is given to look at.
    private const int LongestAnswer = 64;

    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var prompt = new Option<string?>("--prompt") { Description = "The text to look into (default: what is piped in).", HelpName = "TEXT" };
        var decoderPrompt = new Option<string?>("--decoder-prompt") { Description = "For an encoder–decoder: the decoder's text (default: the model's own answer).", HelpName = "TEXT" };
        var output = new Option<string>("--output") { Description = "The file to write: .html, .svg or .json.", HelpName = "FILE", Required = true };
        var layers = new Option<string?>("--layers") { Description = "Layers, counted from 0 (default: all).", HelpName = "A-B" };
        var heads = new Option<string?>("--heads") { Description = "Heads of each layer, counted from 0 (default: all).", HelpName = "A-B" };
        var special = new Option<bool>("--special") { Description = "Special tokens written in the texts count as such." };
        var command = new Command("lens", "Show what a model's attention looks at.") { prompt, decoderPrompt, output, layers, heads, special };
        model.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var path = parsed.GetRequiredValue(output);
            var format = LensFormat.Of(path);
            var options = new AttentionProbeOptions
            {
                Layers = ReadRange(parsed.GetValue(layers), "--layers"),
                Heads = ReadRange(parsed.GetValue(heads), "--heads"),
                MostWeights = format.MostWeights,
            };
            var request = new LensRequest(
                await ReadPromptAsync(environment, parsed.GetValue(prompt), cancellationToken), parsed.GetValue(decoderPrompt), parsed.GetValue(special), options);
            var maps = await ProbeAsync(environment, model.Read(parsed), request, cancellationToken);
            await using var file = File.Create(path);
            format.Write(maps, file);
            return 0;
        });
        return command;
    }

    /// <exception cref="UsageException">It is no range.</exception>
    internal static ProbeRange? ReadRange(string? text, string option)
    {
        if (text is null)
            return null;
        var dash = text.IndexOf('-', StringComparison.Ordinal);
        var (first, last) = dash < 0 ? (text, text) : (text[..dash], text[(dash + 1)..]);
        return int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var a) && int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var b) && a <= b
            ? new ProbeRange(a, b)
            : throw new UsageException($"{option} is a number or a range like 0-3, got '{text}'");
    }

    private sealed record LensRequest(string Prompt, string? DecoderPrompt, bool ParseSpecial, AttentionProbeOptions Options);

    private static async Task<string> ReadPromptAsync(CommandEnvironment environment, string? prompt, CancellationToken cancellationToken)
        => prompt ?? (environment.InputIsPiped
            ? Encoding.UTF8.GetString(await environment.ReadAllAsync(null, cancellationToken))
            : throw new UsageException("lens needs --prompt, or a text piped in"));

    private static async Task<AttentionMaps> ProbeAsync(CommandEnvironment environment, ModelConfiguration configuration, LensRequest request, CancellationToken cancellationToken)
    {
        var options = request.Options with { CacheType = configuration.KeyType ?? CacheType.F32 };
        var kind = ModelKinds.Read(configuration.Path);
        if (kind != ModelKind.EncoderDecoder && request.DecoderPrompt is not null)
            throw new UsageException("--decoder-prompt needs an encoder–decoder; this model has no decoder beside an encoder");
        if (kind == ModelKind.Encoder)
        {
            await using var encoder = await ModelLoading.Naming(
                configuration, () => EmbeddingModel.LoadAsync(configuration.Path, configuration.ToOptions(), cancellationToken: cancellationToken));
            int[] text = [.. encoder.Tokenizer.Encode(request.Prompt, addSpecial: true, request.ParseSpecial)];
            return await Task.Run(() => AttentionProbe.Run(encoder, Some(text), options, cancellationToken), CancellationToken.None);
        }

        var model = await environment.LoadOwnModelAsync(configuration with { MaxSequences = 1 }, "the attention lens", cancellationToken);
        try
        {
            var prompt = Some([.. model.Tokenize(request.Prompt, addSpecial: true, request.ParseSpecial)]);
            if (!model.HasEncoder)
                return await Task.Run(() => AttentionProbe.Run(model, prompt, options, cancellationToken: cancellationToken), CancellationToken.None);
            var answer = request.DecoderPrompt is { } written
                ? model.OutputTokenizer.Encode(written, addSpecial: false, request.ParseSpecial)
                : await AnswerAsync(model, prompt, cancellationToken);
            int[] decoder = [model.DecoderStartId!.Value, .. answer];
            return await Task.Run(() => AttentionProbe.Run(model, decoder, options, prompt, cancellationToken), CancellationToken.None);
        }
        finally
        {
            await model.DisposeModelAsync();
        }
    }

    private static async Task<IReadOnlyList<int>> AnswerAsync(LanguageModel model, int[] prompt, CancellationToken cancellationToken)
    {
        var request = new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { MaxTokens = Math.Min(LongestAnswer, model.Information.ContextLength - 1), Temperature = 0 } };
        var ids = new List<int>();
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
            ids.AddRange(update.TokenIds);
        return ids;
    }

    private static int[] Some(int[] tokens)
        => tokens.Length > 0 ? tokens : throw new HearthException("the prompt is empty, and this model has no token that begins a text");
}
