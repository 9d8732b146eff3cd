namespace Hearth.Runtime.Conversion;

/// <summary>Compares what config.json says of the output head (<c>tie_word_embeddings</c>) with what the folder holds and what is written.</summary>
internal static class OutputHead
{
    private const string Tied = "tie_word_embeddings", Embedding = "token_embd.weight";

    private static readonly string[] _sources = ["lm_head.weight", "cls.predictions.decoder.weight", "vocab_projector.weight"];
    private static readonly string[] _targets = ["output.weight", "mlm_output.weight"];

    /// <summary>Notes a contradiction; a head that fits another vocabulary is refused.</summary>
    /// <param name="checkpoint">The folder; takes the notes.</param>
    /// <param name="tensors">What is written.</param>
    /// <exception cref="ModelFormatException">Head and embedding have other rows.</exception>
    public static void Check(Checkpoint checkpoint, IReadOnlyList<(string Name, RowTensor Tensor)> tensors)
    {
        if (tensors.FirstOrDefault(entry => entry.Name == Embedding).Tensor is not { } embedding)
            return;
        var written = tensors.FirstOrDefault(entry => _targets.Contains(entry.Name)).Tensor;
        if (written is not null && written.Rows != embedding.Rows)
            throw new ModelFormatException($"the output head '{written.Name}' has {written.Rows} rows, the embedding '{embedding.Name}' {embedding.Rows}: they are of different vocabularies", checkpoint.Folder);
        var source = checkpoint.Tensors.FirstOrDefault(entry => _sources.Any(name => entry.Key == name || entry.Key.EndsWith("." + name, StringComparison.Ordinal)));
        var stated = checkpoint.Config.Find(Tied)?.Flag;
        if (source.Value is null)
        {
            if (stated == false && written is null)
                checkpoint.Notes.Add($"config.json says {Tied} false, but the folder holds no head of its own: the embedding is taken for it");
        }
        else if ((stated == true || (stated is null && written is null)) && !AreEqual(source.Value.AsRows(), embedding))
        {
            checkpoint.Notes.Add(written is null
                ? $"'{source.Key}' differs from the embedding, but is left out: config.json or the architecture ties the head to the embedding"
                : $"config.json says {Tied} true, but '{source.Key}' differs from the embedding: it is written as a head of its own");
        }
    }

    private static bool AreEqual(RowTensor left, RowTensor right)
    {
        if (!left.Shape.AsSpan().SequenceEqual(right.Shape))
            return false;
        var (a, b) = (new float[left.Columns], new float[left.Columns]);
        for (var row = 0L; row < left.Rows; row++)
        {
            left.Row(row, a);
            right.Row(row, b);
            if (!a.AsSpan().SequenceEqual(b))
                return false;
        }

        return true;
    }
}
