using Hearth.Host.Service;

namespace Hearth.Host.CommandLine;

/// <summary>Loads models for verbs and service.</summary>
internal static class ModelLoading
{
    public static Task<ILanguageModel> LoadAsync(ModelConfiguration model, IProgress<double>? progress, CancellationToken cancellationToken)
        => throw new HearthException($"'{model.Path}' cannot be run: this build holds no engine");
}
