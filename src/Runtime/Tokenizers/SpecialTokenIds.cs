namespace Hearth.Runtime.Tokenizers;

/// <summary>The tokens with a role of their own; null where the vocabulary has none.</summary>
/// <remarks>
/// Read from <c>tokenizer.ggml.*_token_id</c>; where a key is absent, the model's usual default or the usual spelling
/// (<c>&lt;|im_end|&gt;</c>, <c>&lt;|fim_prefix|&gt;</c> ...) decides, as in llama.cpp.
/// </remarks>
public sealed record SpecialTokenIds
{
    /// <summary>Begins a text (BOS; CLS in WordPiece vocabularies).</summary>
    public int? BeginOfText { get; internal set; }

    /// <summary>Ends a text (EOS).</summary>
    public int? EndOfText { get; internal set; }

    /// <summary>Ends one speaker's turn (EOT).</summary>
    public int? EndOfTurn { get; internal set; }

    /// <summary>Ends a message that expects a tool's answer (EOM).</summary>
    public int? EndOfMessage { get; internal set; }

    /// <summary>Stands for what cannot be spelled.</summary>
    public int? Unknown { get; internal set; }

    /// <summary>Separates two texts (SEP).</summary>
    public int? Separator { get; internal set; }

    /// <summary>Fills the rows of a batch.</summary>
    public int? Padding { get; internal set; }

    /// <summary>Marks a hole to be predicted.</summary>
    public int? Mask { get; internal set; }

    /// <summary>Fill-in-the-middle: before the text that precedes the hole.</summary>
    public int? FillPrefix { get; internal set; }

    /// <summary>Fill-in-the-middle: before the text that follows the hole.</summary>
    public int? FillSuffix { get; internal set; }

    /// <summary>Fill-in-the-middle: before the text that fills the hole.</summary>
    public int? FillMiddle { get; internal set; }

    /// <summary>Fill-in-the-middle: padding.</summary>
    public int? FillPadding { get; internal set; }

    /// <summary>Fill-in-the-middle: before a repository's name.</summary>
    public int? FillRepository { get; internal set; }

    /// <summary>Fill-in-the-middle: before a file's name.</summary>
    public int? FillFileSeparator { get; internal set; }
}
