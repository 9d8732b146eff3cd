using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Microsoft.Extensions.Logging;

namespace Hearth.Runtime.Engines;

/// <summary>Something other than Hearth's own engine that computes models, behind the same interfaces.</summary>
/// <remarks>Comes as a package of its own; <see cref="ModelEngines"/> finds it. Safe to use from several threads.</remarks>
public interface IModelEngine
{
    /// <summary>The name by which options ask for it, in lower case.</summary>
    string Name { get; }

    /// <summary>What would compute, in words: the library with its version and the backend that it chose.</summary>
    /// <exception cref="NativeLibraryException">The engine's native library cannot be had.</exception>
    string Describe();

    /// <summary>Whether the engine would take a file: its architecture, its types and its vocabulary, the weights' numbers apart.</summary>
    /// <remarks>False also where the engine's native library cannot be had.</remarks>
    bool Knows(GgufFile file);

    /// <summary>Loads a model.</summary>
    /// <param name="file">Stays open, and must until the model is loaded.</param>
    /// <param name="options">Sizes and names.</param>
    /// <param name="embeds">Whether texts become vectors (<see cref="IEmbeddingModel"/>); else text is generated (<see cref="ILanguageModel"/>).</param>
    /// <param name="pooling">Of an embedding model: how tokens become one vector; null: as the file says.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures and of what the engine reports, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <returns>The model, which its owner disposes (<see cref="IAsyncDisposable"/>).</returns>
    /// <exception cref="UnsupportedModelException">The engine does not know the architecture or a type, or cannot do what is asked with it.</exception>
    /// <exception cref="NativeLibraryException">The engine's native library cannot be had.</exception>
    /// <exception cref="OutOfModelMemoryException">Weights or cache do not fit into memory.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range, or one that the engine does not know is set.</exception>
    Task<IModel> LoadAsync(
        GgufFile file, ModelOptions options, bool embeds, PoolingKind? pooling = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null,
        CancellationToken cancellationToken = default);
}

/// <summary>Says of an assembly that it brings an engine, so that a reference to it is all that is needed.</summary>
/// <param name="engine">An <see cref="IModelEngine"/> with a constructor without parameters.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class ModelEngineAttribute(
    [System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] Type engine)
    : Attribute
{
    /// <summary>The engine's type.</summary>
    [System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)]
    public Type Engine => engine;
}
