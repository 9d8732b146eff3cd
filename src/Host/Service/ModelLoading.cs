using Hearth.Runtime.Engines;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Host.Service;

/// <summary>Loads models for verbs and service.</summary>
internal static class ModelLoading
{
    /// <summary>Loads what the configuration asks for; without a word of it what the file is for.</summary>
    public static Task<IModel> LoadAsync(ModelConfiguration model, IProgress<double>? progress, CancellationToken cancellationToken)
        => Naming<IModel>(model, async () =>
        {
            using var file = await Task.Run(() => GgufFile.Open(model.Path), cancellationToken);
            var use = model.Kind ?? (ModelKinds.Of(file) == ModelKind.Encoder ? ModelUse.Embedding : ModelUse.Text);
            if (model.Pooling is not null && use != ModelUse.Embedding)
            {
                throw new HearthException($"{model.EffectiveId}: Pooling has a meaning for an embedding model only; this one generates text");
            }

            if (!ModelEngines.IsOwn(model.Engine))
            {
                if (model.ChatTemplate is not null)
                {
                    throw new HearthException($"{model.EffectiveId}: ChatTemplate has a meaning for Hearth's own engine only");
                }

                return await ModelEngines.Find(model.Engine!).LoadAsync(
                    file, model.ToOptions(), use == ModelUse.Embedding, (PoolingKind?)model.Pooling, Adapt(progress), cancellationToken: cancellationToken);
            }

            if (use == ModelUse.Embedding)
            {
                return await EmbeddingModel.LoadAsync(file, model.ToOptions(), (PoolingKind?)model.Pooling, Adapt(progress), cancellationToken: cancellationToken);
            }

            var options = model.ToOptions() with { ChatTemplate = await ReadTemplateAsync(model, cancellationToken), FallbackChatTemplate = ChatMl };
            return await LanguageModel.LoadAsync(file, options, Adapt(progress), cancellationToken: cancellationToken);
        });

    /// <summary>The format of turns that most models without one of their own are asked in.</summary>
    /// <remarks>Source: https://github.com/openai/openai-python/blob/v0.28.1/chatml.md.</remarks>
    internal const string ChatMl = """
        {%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
        """;

    private static async Task<string?> ReadTemplateAsync(ModelConfiguration model, CancellationToken cancellationToken)
    {
        const long MostBytes = 1 << 20;
        if (model.ChatTemplate is null or "chatml")
        {
            return model.ChatTemplate is null ? null : ChatMl;
        }

        var file = new FileInfo(model.ChatTemplate);
        return !file.Exists ? throw new HearthException($"{model.EffectiveId}: the chat template '{model.ChatTemplate}' does not exist; there is \"chatml\", or a file")
            : file.Length > MostBytes ? throw new HearthException($"{model.EffectiveId}: the chat template '{model.ChatTemplate}' is larger than {MostBytes} bytes")
            : await File.ReadAllTextAsync(file.FullName, cancellationToken);
    }

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
            throw new HearthException($"{model.EffectiveId}: {exception.Reason()}", exception);
        }
    }

    private sealed class Adapter(IProgress<double> progress) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => progress.Report(value.BytesTotal == 0 ? 0 : (double)value.BytesDone / value.BytesTotal);
    }
}
