using Hearth.Runtime.Conversion.Families;

namespace Hearth.Runtime.Conversion;

/// <summary>What the converter knows of a model family: which checkpoints belong to it, their keys and their tensors.</summary>
/// <param name="Architecture">GGUF's general.architecture.</param>
/// <param name="Classes">The names in config.json's <c>architectures</c>.</param>
/// <param name="Keys">Writes the architecture's metadata.</param>
/// <param name="Tensors">Maps the tensors.</param>
internal sealed record CheckpointFamily(string Architecture, string[] Classes, Action<ArchitectureKeys> Keys, Action<TensorMap, ModelConfig> Tensors)
{
    private static readonly CheckpointFamily[] _all =
    [
        LlamaFamily.Description, .. QwenFamily.Descriptions, .. Qwen35Family.Descriptions, .. MambaFamily.Descriptions, Lfm2Family.Description, .. GemmaFamily.Descriptions, Phi3Family.Description,
        Gpt2Family.Description, BertFamily.Description, DistilBertFamily.Description, T5Family.Description, EncoderDecoderFamily.Description,
        TransformerXlFamily.Description,
    ];

    /// <summary>Stripped from tensor names, the first that fits.</summary>
    public string[] Prefixes { get; init; } = ["model.language_model.", "language_model.model.", "language_model.", "model."];

    /// <summary>config.json's <c>model_type</c>, for checkpoints that name no class; null: they must.</summary>
    public string? ModelType { get; init; }

    /// <summary>Why the folder's vocabulary is left alone, a sentence for the reader; null: it is read.</summary>
    public string? NoVocabulary { get; init; }

    /// <summary>The classes of all families.</summary>
    public static IEnumerable<string> AllClasses => _all.SelectMany(family => family.Classes).Order(StringComparer.Ordinal);

    /// <summary>The family of a checkpoint, by its class or, where it names none, by its kind.</summary>
    /// <exception cref="UnsupportedModelException">No family has it.</exception>
    public static CheckpointFamily Find(ModelConfig config)
        => config.Find("architectures") is null && config.Find("model_type") is { IsText: true } type && Array.Find(_all, family => family.ModelType == type.Text) is { } family
            ? family : Find(config.Architecture);

    /// <summary>The family of a class.</summary>
    /// <exception cref="UnsupportedModelException">No family has it.</exception>
    public static CheckpointFamily Find(string name)
        => Array.Find(_all, family => family.Classes.Contains(name)) ?? throw new UnsupportedModelException($"converting '{name}'", AllClasses);
}
