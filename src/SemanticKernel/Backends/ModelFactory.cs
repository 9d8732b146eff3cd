using Hearth.Runtime;

namespace Hearth.SemanticKernel.Backends;

internal static class ModelFactory
{
    public static Task<ILanguageModel> LoadAsync(string path, CancellationToken cancellationToken)
        => throw new UnsupportedModelException($"loading '{path}' in process", []);
}
