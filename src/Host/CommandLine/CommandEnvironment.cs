using System.Text;
using Hearth.Host.CommandLine.Terminal;
using Hearth.Host.Service;
using Hearth.Runtime.Engines;

namespace Hearth.Host.CommandLine;

/// <summary>What verbs see of the world: streams, whether people are watching, and how models are loaded.</summary>
internal sealed record CommandEnvironment
{
    /// <summary>Bytes in.</summary>
    public required Stream Input { get; init; }

    /// <summary>UTF-8 text out; results only.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>Errors and progress.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Whether the input comes from a pipe or file.</summary>
    public bool InputIsPiped { get; init; } = true;

    /// <summary>Whether the output goes into a pipe or file.</summary>
    public bool OutputIsPiped { get; init; } = true;

    /// <summary>Whether errors go into a pipe or file; progress is then not shown.</summary>
    public bool ErrorIsPiped { get; init; } = true;

    /// <summary>The terminal, key by key; null where input or output is none.</summary>
    public ITerminal? Terminal { get; init; }

    public required LoadModel Load { get; init; }

    /// <summary>Who takes Ctrl-C.</summary>
    public Interruption Interruption { get; } = new();

    /// <summary>The process's own streams, in UTF-8 whatever the terminal's locale says.</summary>
    public static CommandEnvironment OfProcess(LoadModel load) => new()
    {
        Input = Console.OpenStandardInput(),
        Output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true },
        Error = new StreamWriter(Console.OpenStandardError(), new UTF8Encoding(false)) { AutoFlush = true },
        InputIsPiped = Console.IsInputRedirected,
        OutputIsPiped = Console.IsOutputRedirected,
        ErrorIsPiped = Console.IsErrorRedirected,
        Terminal = Console.IsInputRedirected || Console.IsOutputRedirected ? null : new ConsoleTerminal(),
        Load = load,
    };

    /// <summary>Loads a model that generates text, with its progress on a terminal.</summary>
    /// <exception cref="UnsupportedModelException">The file holds an encoder.</exception>
    public async Task<ILanguageModel> LoadModelAsync(ModelConfiguration model, CancellationToken cancellationToken)
        => (ILanguageModel)await LoadAsync(model with { Kind = ModelUse.Text }, cancellationToken);

    /// <summary>Loads a model that generates text on Hearth's own engine, for what no other has.</summary>
    /// <param name="model">Which, and how.</param>
    /// <param name="what">What is wanted, in words.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="HearthException">Another engine is asked for.</exception>
    public async Task<LanguageModel> LoadOwnModelAsync(ModelConfiguration model, string what, CancellationToken cancellationToken)
        => ModelEngines.IsOwn(model.Engine)
            ? (LanguageModel)await LoadModelAsync(model, cancellationToken)
            : throw new HearthException($"{what} is Hearth's own engine's; '{model.Engine}' does not have it");

    /// <summary>Loads a model that turns texts into vectors, with its progress on a terminal.</summary>
    /// <exception cref="UnsupportedModelException">The file holds a model that cannot.</exception>
    public async Task<IEmbeddingModel> LoadEmbeddingModelAsync(ModelConfiguration model, CancellationToken cancellationToken)
        => (IEmbeddingModel)await LoadAsync(model with { Kind = ModelUse.Embedding }, cancellationToken);

    private async Task<IModel> LoadAsync(ModelConfiguration model, CancellationToken cancellationToken)
    {
        var loaded = await WithProgressAsync(model.EffectiveId, progress => Load(model, progress, cancellationToken));
        foreach (var warning in loaded.Information.Warnings)
        {
            await Error.WriteLineAsync($"hearth: warning: {warning}");
        }

        return loaded;
    }

    /// <summary>Runs a load, with its progress on a terminal; null progress in a pipe.</summary>
    public async Task<T> WithProgressAsync<T>(string name, Func<IProgress<double>?, Task<T>> load)
    {
        if (ErrorIsPiped)
        {
            return await load(null);
        }

        var shown = -1;
        var progress = new DirectProgress(value =>
        {
            var percent = (int)(value * 100);
            if (Interlocked.Exchange(ref shown, percent) != percent)
            {
                Error.Write($"\rloading {name}: {percent,3} %");
            }
        });
        try
        {
            return await load(progress);
        }
        finally
        {
            Error.Write("\r\u001b[K");
        }
    }

    /// <summary>Reads all of a file, or of the input where none is named.</summary>
    public async Task<byte[]> ReadAllAsync(string? file, CancellationToken cancellationToken)
    {
        if (file is not null)
        {
            return await File.ReadAllBytesAsync(file, cancellationToken);
        }

        using var buffer = new MemoryStream();
        await Input.CopyToAsync(buffer, cancellationToken);
        return buffer.ToArray();
    }
}
