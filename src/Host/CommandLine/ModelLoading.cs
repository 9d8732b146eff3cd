using Hearth.Host.Service;
using Hearth.Runtime.Graphs;

namespace Hearth.Host.CommandLine;

/// <summary>Loads models for verbs and service.</summary>
internal static class ModelLoading
{
    public static async Task<ILanguageModel> LoadAsync(ModelConfiguration model, IProgress<double>? progress, CancellationToken cancellationToken)
        => await Naming(model, () => LanguageModel.LoadAsync(model.Path, model.ToOptions(), Adapt(progress), cancellationToken: cancellationToken));

    /// <summary>Progress in bytes of weights as a share from 0 to 1.</summary>
    public static IProgress<LoadProgress>? Adapt(IProgress<double>? progress) => progress is null ? null : new Adapter(progress);

    /// <summary>Turns a value out of its range, which came from a caller's option, into an error for the caller.</summary>
    public static async Task<T> Naming<T>(ModelConfiguration model, Func<Task<T>> load)
    {
        try
        {
            return await load();
        }
        catch (ArgumentOutOfRangeException exception)
        {
            throw new HearthException($"{model.EffectiveId}: {exception.Message.Split(" (Parameter", 2)[0]}", exception);
        }
    }

    private sealed class Adapter(IProgress<double> progress) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => progress.Report(value.BytesTotal == 0 ? 0 : (double)value.BytesDone / value.BytesTotal);
    }
}
