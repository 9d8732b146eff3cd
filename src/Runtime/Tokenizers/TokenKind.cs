namespace Hearth.Runtime.Tokenizers;

/// <summary>What a vocabulary entry stands for; the numbers are those of <c>tokenizer.ggml.token_type</c> in GGUF.</summary>
public enum TokenKind
{
    /// <summary>No type, or one outside of the format's list; such a token prints nothing.</summary>
    Undefined = 0,

    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>Stands for what the vocabulary cannot spell; never printed unless control tokens are.</summary>
    Unknown = 2,

    /// <summary>Steers the model (begin, end, roles); never printed unless control tokens are.</summary>
    Control = 3,

    /// <summary>Text that is always one token, split off before anything else.</summary>
    UserDefined = 4,

    /// <summary>A reserved entry without text.</summary>
    Unused = 5,

    /// <summary>One byte, for what has no other spelling.</summary>
    Byte = 6,
}
