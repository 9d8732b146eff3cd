namespace Hearth.Runtime.Tokenizers;

/// <summary>What is known of one token; a token can be several things at once after the reference's corrections by name.</summary>
[Flags]
internal enum TokenAttributes : ushort
{
    None = 0,
    Unknown = 1,
    Unused = 2,
    Normal = 4,
    Control = 8,
    UserDefined = 16,
    Byte = 32,

    /// <summary>Whitespace before the token belongs to it when it is found in text.</summary>
    StripLeft = 128,

    /// <summary>Whitespace after the token belongs to it when it is found in text.</summary>
    StripRight = 256,

    /// <summary>Hidden from decoded text unless control tokens are asked for.</summary>
    Hidden = Unknown | Control,

    /// <summary>Looked for in text before the tokenizer's own algorithm runs.</summary>
    Special = Unknown | Control | UserDefined,
}
