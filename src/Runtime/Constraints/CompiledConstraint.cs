using Hearth.Runtime.Constraints.Machine;
using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Constraints;

/// <summary>A constraint made ready for one model's tokens. Safe for several threads; walks share what it remembers.</summary>
internal sealed class CompiledConstraint
{
    internal CompiledConstraint(Node start, ConstraintVocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        Machine = new PushdownMachine(start);
        Masks = new MaskComputer(Machine, vocabulary);
    }

    internal ConstraintVocabulary Vocabulary { get; }

    internal PushdownMachine Machine { get; }

    internal MaskComputer Masks { get; }

    /// <summary>Begins a walk.</summary>
    /// <param name="continuesText">Whether the text follows another, as a decoder's does; a first space is dropped otherwise where the tokenizer puts one.</param>
    public ITokenConstraint Start(bool continuesText = true) => new TokenWalk(this, continuesText);
}
