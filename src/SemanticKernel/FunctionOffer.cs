using System.Text.Json.Nodes;
using Hearth.Runtime;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>The functions that one request offers to the model, and what becomes of its calls.</summary>
internal sealed class FunctionOffer
{
    /// <summary>Requests of one call of the service whose functions are invoked; a model that never comes to an end is not asked for ever.</summary>
    public const int MostRounds = 128;

    // Characters that the names of Semantic Kernel have not, and tools' may have.
    private const char Separator = '-';

    private static readonly FunctionChoiceBehaviorOptions s_defaults = new();

    private readonly Dictionary<string, KernelFunction> _functions = new(StringComparer.Ordinal);

    /// <summary>Functions as the model's template takes them.</summary>
    public IReadOnlyList<JsonObject> Tools { get; private init; } = [];

    public ToolChoice Choice { get; private init; } = ToolChoice.Auto;

    public FunctionChoiceBehaviorOptions Options { get; private init; } = s_defaults;

    /// <summary>Whether calls are invoked here, and the model asked again with their results.</summary>
    public bool Invokes { get; private init; }

    /// <summary>The offer of a request.</summary>
    /// <param name="behavior">Null offers nothing.</param>
    /// <param name="history">The chat.</param>
    /// <param name="kernel">Has the functions, and is needed to invoke them.</param>
    /// <param name="round">Which request of the call of the service it is, from 0.</param>
    /// <param name="before">The offer of the request before.</param>
    /// <exception cref="KernelException">Functions are to be invoked without a kernel, or one is not in it.</exception>
    public static FunctionOffer Of(FunctionChoiceBehavior? behavior, ChatHistory history, Kernel? kernel, int round, FunctionOffer? before)
    {
        if (behavior?.GetConfiguration(new FunctionChoiceBehaviorConfigurationContext(history) { Kernel = kernel, RequestSequenceIndex = round }) is not { } configuration)
            return new FunctionOffer();
        var invokes = configuration.AutoInvoke && kernel is not null && round < MostRounds && FunctionCalls.MayInvoke;
        if (configuration.Functions is not { Count: > 0 } functions)
        {
            // Functions that were offered before stay in the prompt, so that what the cache holds of it still serves.
            return before is null ? new FunctionOffer() : new FunctionOffer { Tools = before.Tools, Choice = ToolChoice.None, Options = configuration.Options };
        }

        var offer = new FunctionOffer
        {
            Tools = [.. functions.Select(function => Tool(function, configuration.Options))],
            Choice = configuration.Choice == FunctionChoice.Required ? ToolChoice.Required : configuration.Choice == FunctionChoice.None ? ToolChoice.None : ToolChoice.Auto,
            Options = configuration.Options,
            Invokes = invokes && configuration.Choice != FunctionChoice.None,
        };
        foreach (var function in functions)
            offer._functions.TryAdd(FullName(function.PluginName, function.Name), function);
        return offer;
    }

    /// <summary>A function's name among those of all plugins.</summary>
    public static string FullName(string? plugin, string function) => string.IsNullOrEmpty(plugin) ? function : $"{plugin}{Separator}{function}";

    /// <summary>The plugin and the function of a name that the model called.</summary>
    public (string? Plugin, string Function) Parts(string name)
    {
        if (_functions.TryGetValue(name, out var function))
            return (string.IsNullOrEmpty(function.PluginName) ? null : function.PluginName, function.Name);
        var at = name.IndexOf(Separator, StringComparison.Ordinal);
        return at < 0 ? (null, name) : (name[..at], name[(at + 1)..]);
    }

    /// <summary>Whether the model was told of a function.</summary>
    public bool Has(FunctionCallContent call) => _functions.ContainsKey(FullName(call.PluginName, call.FunctionName));

    private static JsonObject Tool(KernelFunction function, FunctionChoiceBehaviorOptions options)
    {
        var schema = JsonObject.Create(function.JsonSchema) ?? [];

        // It is the function's, which has a place of its own; Semantic Kernel writes it under either name.
        if (schema.ContainsKey("properties") || schema.Count == 0)
        {
            schema.Remove("description");
            schema.Remove("condition");
        }

        var definition = new JsonObject { ["name"] = FullName(function.PluginName, function.Name) };
        if (!string.IsNullOrEmpty(function.Description))
            definition["description"] = function.Description;
        definition["parameters"] = schema;
        if (options.AllowStrictSchemaAdherence == true)
            definition["strict"] = true;
        return new JsonObject { ["type"] = "function", ["function"] = definition };
    }
}
