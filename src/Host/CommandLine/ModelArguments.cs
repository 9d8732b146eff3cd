using System.CommandLine;
using Hearth.Host.Service;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Engines;

namespace Hearth.Host.CommandLine;

/// <summary>How a verb's model is loaded and run.</summary>
internal sealed class EngineArguments
{
    private static readonly string[] CacheTypes = [.. Enum.GetNames<CacheType>().Select(name => name.ToLowerInvariant())];

    private readonly bool _hasCache;
    private readonly Option<int?> _context = new("--context") { Description = "Tokens that one sequence may hold (default: what the model was made for, as far as memory allows).", HelpName = "N" };
    private readonly Option<int?> _threads = new("--threads") { Description = "Engine threads (default: one for each physical core that this process may use).", HelpName = "N" };
    private readonly Option<bool> _pinThreads = new("--pin-threads") { Description = "Keep each engine thread on one processor." };
    private readonly Option<string?> _kvType = new("--kv-type") { Description = $"How keys and values are cached: {string.Join(", ", CacheTypes)} (default: f16).", HelpName = "TYPE" };

    private readonly Option<string?> _engine = new("--engine") { Description = $"What computes the model: {ModelEngines.Own}, or another engine that this build carries, such as llamasharp (default: {ModelEngines.Own}).", HelpName = "NAME" };
    private readonly Option<int?> _gpuLayers = new("--gpu-layers") { Description = "With another --engine: layers whose weights lie on a GPU (default: all that its backend can take).", HelpName = "N" };

    private readonly Option<bool> _templateControlTokens = new("--template-control-tokens") { Description = "Take the markers that the chat template spells for control tokens, whatever the file types them." };

    /// <param name="hasCache">Whether the verb keeps keys and values.</param>
    public EngineArguments(bool hasCache = true)
    {
        _hasCache = hasCache;
        _kvType.OneOf(CacheTypes);
        _context.AtLeast(1);
        _threads.AtLeast(1);
        _gpuLayers.AtLeast(0);
    }

    public void AddTo(Command command)
    {
        command.Options.Add(_context);
        command.Options.Add(_threads);
        command.Options.Add(_pinThreads);
        command.Options.Add(_engine);
        command.Options.Add(_gpuLayers);
        if (_hasCache)
        {
            command.Options.Add(_kvType);
            command.Options.Add(_templateControlTokens);
        }
    }

    public ModelConfiguration Read(ParseResult parsed)
    {
        CacheType? type = _hasCache && parsed.GetValue(_kvType) is { } name ? Enum.Parse<CacheType>(name, ignoreCase: true) : null;
        return new ModelConfiguration
        {
            ContextLength = parsed.GetValue(_context),
            Threads = parsed.GetValue(_threads),
            PinThreads = parsed.GetValue(_pinThreads) ? true : null,
            TemplateControlTokens = _hasCache && parsed.GetValue(_templateControlTokens) ? true : null,
            Engine = parsed.GetValue(_engine),
            GpuLayers = parsed.GetValue(_gpuLayers),
            KeyType = type,
            ValueType = type,
        };
    }
}

/// <summary>The model of a verb and how it is loaded.</summary>
internal sealed class ModelArguments
{
    private readonly Argument<string?> _model;
    private readonly EngineArguments _engine;

    /// <param name="required">Whether the verb needs a MODEL; otherwise the demo model is taken.</param>
    /// <param name="hasCache">Whether the verb keeps keys and values.</param>
    public ModelArguments(bool required, bool hasCache = true)
    {
        _engine = new EngineArguments(hasCache);
        _model = new Argument<string?>("MODEL")
        {
            Description = required ? "A GGUF file, or the name of one in a model folder." : "A GGUF file, or the name of one in a model folder (default: the demo model).",
            Arity = required ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
        };
    }

    public void AddTo(Command command)
    {
        command.Arguments.Add(_model);
        _engine.AddTo(command);
    }

    /// <exception cref="HearthException">There is no such model.</exception>
    public ModelConfiguration Read(ParseResult parsed) => _engine.Read(parsed) with
    {
        Path = parsed.GetValue(_model) is { } model ? ModelLocator.Find(model) : ModelLocator.FindDefault(),
    };
}

internal static class OptionRanges
{
    /// <summary>Makes every other word wrong usage; upper and lower case are one.</summary>
    public static void OneOf(this Option<string?> option, IReadOnlyList<string> known) => option.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<string?>() is { } name && !known.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            result.AddError($"{option.Name} must be one of {string.Join(", ", known)}, found '{name}'");
        }
    });

    /// <summary>Makes a smaller number wrong usage.</summary>
    public static void AtLeast(this Option<int?> option, int least) => option.Validators.Add(result =>
    {
        if (!result.Errors.Any() && result.Tokens.Count > 0 && result.GetValueOrDefault<int?>() < least)
        {
            result.AddError($"{option.Name} must be at least {least}");
        }
    });
}
