using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Loading;

/// <summary>What a file holds that is left out on purpose, a sentence each.</summary>
internal static class ModelNotes
{
    private const string InputScale = ".input_scale";

    /// <summary>Looks through a file's keys and tensor names.</summary>
    public static IReadOnlyList<string> Of(GgufFile file)
    {
        var notes = new List<string>();
        var architecture = file.Metadata.Get("general.architecture", "");
        if (file.Metadata.Get($"{architecture}.nextn_predict_layers", 0) is > 0 and var drafts)
            notes.Add($"the last {drafts} of the layers predict tokens beyond the next one; they are not used");
        if (file.Tensors.Count(tensor => tensor.Name.EndsWith(InputScale, StringComparison.Ordinal)) is > 0 and var scales)
            notes.Add($"{scales} tensors '*{InputScale}' are not needed: they are for activations in 8-bit or 4-bit floats, which are kept more exactly here");
        if (file.Tensors.Any(tensor => tensor.Name.Contains(".indexer.", StringComparison.Ordinal)))
        {
            var chosen = (long)file.Metadata.Get($"{architecture}.attention.indexer.top_k", 0) * Math.Max(1, file.Metadata.Get($"{architecture}.attention.indexer.block_size", 1));
            notes.Add($"the indexer that chooses {chosen} positions for each query is not used: all positions are attended to, which up to {chosen} is the same");
        }

        if (file.Tensors.Count(tensor => tensor.Type == GgmlType.Q2_0_G128) is > 0 and var wide)
            notes.Add($"{wide} tensors of 2-bit codes are read as groups of 128, by where they lie in the file");
        return notes;
    }
}
