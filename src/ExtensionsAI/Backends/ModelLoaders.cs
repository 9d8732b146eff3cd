using Hearth.Runtime;
using Hearth.Runtime.Engines;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Extensions.AI.Backends;

/// <summary>How a pool comes by the models of files.</summary>
internal interface IModelLoader
{
    /// <summary>Loads a file's model for a use.</summary>
    /// <typeparam name="T">The use: <see cref="ILanguageModel"/> or <see cref="IEmbeddingModel"/>.</typeparam>
    /// <exception cref="HearthException">It cannot be loaded.</exception>
    Task<IModel> LoadAsync<T>(string path, ModelOptions options, PoolingKind? pooling, CancellationToken cancellationToken)
        where T : class, IModel;
}

/// <summary>Loads into the engine that the options name, Hearth's own where they name none.</summary>
internal sealed class EngineLoader : IModelLoader
{
    public async Task<IModel> LoadAsync<T>(string path, ModelOptions options, PoolingKind? pooling, CancellationToken cancellationToken)
        where T : class, IModel
    {
        try
        {
            if (!ModelEngines.IsOwn(options.Engine))
            {
                var engine = ModelEngines.Find(options.Engine!);
                using var file = await Task.Run(() => GgufFile.Open(path), cancellationToken).ConfigureAwait(false);
                return await engine.LoadAsync(file, options, embeds: typeof(T) == typeof(IEmbeddingModel), pooling, cancellationToken: cancellationToken).ConfigureAwait(false);
            }

            return typeof(T) == typeof(IEmbeddingModel)
                ? await EmbeddingModel.LoadAsync(path, options, pooling, cancellationToken: cancellationToken).ConfigureAwait(false)
                : await LanguageModel.LoadAsync(path, options, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            // A file that cannot be opened, or an option out of its range, is told as every other reason why it cannot be loaded.
            throw new HearthException($"the model '{path}' cannot be loaded: {exception.Message}", exception);
        }
    }
}
