using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>The head with which encoders of BERT's kind are trained: logits of the word behind a mask.</summary>
/// <remarks>
/// BERT (arXiv 1810.04805), section 3.1 and its authors' code: a dense layer, GELU by the error function, a norm, and the
/// embedding's own weights with a bias for each token. The tensors' names are Hearth's, see docs/gguf.md.
/// </remarks>
internal static class MaskHead
{
    private const string Prefix = "mlm_";
    private const string Dense = Prefix + "dense";
    private const string OutputWeight = Prefix + "output.weight";

    /// <summary>Whether a tensor belongs to the head.</summary>
    public static bool Owns(string tensor) => tensor.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Writes the head.</summary>
    /// <param name="model">The file.</param>
    /// <param name="hidden">[wanted rows, width].</param>
    /// <param name="embedding">[vocabulary, width], the head's last weights where the file has none of its own.</param>
    /// <param name="norm">The architecture's.</param>
    /// <returns>[wanted rows, vocabulary].</returns>
    /// <exception cref="UnsupportedModelException">The file has no such head.</exception>
    public static Value Write(ModelFile model, Value hidden, Weight embedding, Norm norm)
    {
        if (!model.Has(Dense + ".weight"))
            throw new UnsupportedModelException($"filling masks without a head for masked words ('{Dense}.weight' is not in the file)", ["files that 'hearth convert' makes of BertForMaskedLM"]);
        var program = model.Program;
        var dense = program.Linear(hidden, program.Matrix(Dense + ".weight", hidden.Width, hidden.Width), program.OptionalVector(Dense + ".bias", hidden.Width));
        var x = model.Norm(program.Activate(ActivationFunction.Gelu, dense), Prefix + "norm", norm);
        var vocabulary = checked((int)embedding.Rows);
        var weight = model.Has(OutputWeight) ? program.Matrix(OutputWeight, x.Width, vocabulary) : embedding;
        return program.Linear(x, weight, program.OptionalVector(Prefix + "output.bias", vocabulary));
    }
}
