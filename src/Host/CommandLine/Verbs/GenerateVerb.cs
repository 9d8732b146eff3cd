using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.CommandLine.Verbs;

/// <summary><c>hearth generate MODEL --prompt T</c>: completes a text and streams what comes.</summary>
internal static class GenerateVerb
{
    public static Command Create(CommandEnvironment environment)
    {
        var model = new ModelArguments(required: true);
        var sampling = new SamplingArguments();
        var constraint = new ConstraintArguments();
        var prompt = new Option<string?>("--prompt") { Description = "The text to complete (default: what is piped in).", HelpName = "TEXT" };
        var special = new Option<bool>("--special") { Description = "Special tokens written in the prompt count as such." };
        var json = new Option<bool>("--json") { Description = "Print text, finish reason and usage as one JSON object." };
        var command = new Command("generate", "Complete a text.") { prompt, special, json };
        model.AddTo(command);
        sampling.AddTo(command);
        constraint.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = sampling.Read(parsed) with { Constraint = await constraint.ReadAsync(parsed, cancellationToken) };
            if (options.FindFault() is { } fault)
            {
                throw fault;
            }

            var text = await ReadPromptAsync(environment, parsed.GetValue(prompt), cancellationToken);
            var loaded = await environment.LoadModelAsync(model.Read(parsed), cancellationToken);
            try
            {
                var ids = loaded.Tokenize(text, addSpecial: true, parsed.GetValue(special));
                if (ids.Count == 0)
                {
                    throw new HearthException("the prompt is empty, and this model has no token that begins a text");
                }

                var request = new GenerationRequest { Prompt = ids, Options = options };
                await (parsed.GetValue(json) ? WriteJsonAsync(environment, loaded, request, cancellationToken) : WriteTextAsync(environment, loaded, request, cancellationToken));
                return 0;
            }
            finally
            {
                await loaded.DisposeModelAsync();
            }
        });
        return command;
    }

    private static async Task<string> ReadPromptAsync(CommandEnvironment environment, string? prompt, CancellationToken cancellationToken)
        => prompt ?? (environment.InputIsPiped
            ? Encoding.UTF8.GetString(await environment.ReadAllAsync(null, cancellationToken))
            : throw new UsageException("generate needs --prompt, or a text piped in"));

    private static async Task WriteTextAsync(CommandEnvironment environment, ILanguageModel model, GenerationRequest request, CancellationToken cancellationToken)
    {
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            await environment.Output.WriteAsync(update.Text);
            if (update.Usage is { DroppedTokens: > 0 and var dropped })
            {
                await environment.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"hearth: warning: the context was full: the text went on without {dropped} of its tokens"));
            }
        }

        // A pipe gets the text as it is; a terminal's prompt starts on a line of its own.
        if (!environment.OutputIsPiped)
        {
            await environment.Output.WriteLineAsync();
        }
    }

    private static async Task WriteJsonAsync(CommandEnvironment environment, ILanguageModel model, GenerationRequest request, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var ids = new JsonArray();
        FinishReason? reason = null;
        TokenUsage usage = default;
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            text.Append(update.Text);
            foreach (var id in update.TokenIds)
            {
                ids.Add((JsonNode)id);
            }

            reason ??= update.FinishReason;
            usage = update.Usage ?? usage;
        }

        await environment.Output.WriteLineAsync(JsonOutput.Write(new JsonObject
        {
            ["text"] = text.ToString(),
            ["token_ids"] = ids,
            ["finish_reason"] = reason?.ToWire(),
            ["usage"] = JsonSerializer.SerializeToNode(usage.ToWire(), ProtocolJson.Wire.UsageFields),
        }));
    }
}
