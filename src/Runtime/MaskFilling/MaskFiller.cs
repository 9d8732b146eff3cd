using System.Numerics.Tensors;
using System.Text;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Evaluation;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime;

/// <summary>What may stand where a text has a mask.</summary>
/// <param name="Token">Its id.</param>
/// <param name="Text">What it spells, without the space that begins a word.</param>
/// <param name="ContinuesWord">Whether it goes on with the word before it ("ly", WordPiece's "##ly").</param>
/// <param name="Probability">0 to 1, of the whole vocabulary; that of this mask with all other masks unknown.</param>
public readonly record struct MaskCandidate(int Token, string Text, bool ContinuesWord, float Probability);

/// <summary>A mask of a text.</summary>
/// <param name="Position">Where it stands among the text's tokens, special ones included, from 0.</param>
/// <param name="Candidates">The most probable tokens, the best first.</param>
public sealed record FilledMask(int Position, IReadOnlyList<MaskCandidate> Candidates);

/// <summary>A text whose masks are filled.</summary>
/// <param name="Text">The text as it was given, with the best candidate in place of each mask.</param>
/// <param name="TokenCount">Tokens read, special ones included.</param>
/// <param name="Masks">The masks in the text's order.</param>
public sealed record FilledText(string Text, int TokenCount, IReadOnlyList<FilledMask> Masks);

/// <summary>An encoder of BERT's kind with its head for masked words: tells what may stand where a text has a mask.</summary>
/// <remarks>
/// Source: BERT (arXiv 1810.04805), section 3.1; GELU is computed by the error function. Safe to use from several threads:
/// callers take turns. Texts of one call share steps.
/// </remarks>
/// <example>
/// <code>
/// await using var filler = await MaskFiller.LoadAsync("bert-base-uncased.gguf");
/// var text = (await filler.FillAsync(["The [MASK] sat on the mat."]))[0];
/// Console.WriteLine($"{text.Text} ({text.Masks[0].Candidates[0].Probability:P0})");
/// </code>
/// </example>
public sealed class MaskFiller : IAsyncDisposable
{
    /// <summary>Masks that one text may have.</summary>
    public const int MostMasks = 64;

    private readonly CompiledProgram _program;
    private readonly TextRun _run;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly ModelTokenizers _tokenizers;
    private int _disposed;

    private MaskFiller(LoadedModel loaded, ModelOptions options)
    {
        _program = loaded.Program;
        _run = new TextRun(_program, length: 0, CacheType.F32, CacheType.F32);
        Metadata = loaded.Metadata;
        _tokenizers = loaded.Texts.Tokenizers;
        var context = Math.Min(options.ContextLength ?? loaded.Information.ContextLength, loaded.Information.ContextLength);
        Information = loaded.Information with { ContextLength = Math.Min(ModelLoader.Checked(context, 1, int.MaxValue, nameof(ModelOptions.ContextLength)), _run.MaxRows) };
    }

    /// <summary>What the model is.</summary>
    public ModelInformation Information { get; }

    /// <summary>The metadata of the model's file.</summary>
    public Gguf.GgufMetadata Metadata { get; }

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one of an unknown kind.</exception>
    public Tokenizer Tokenizer => _tokenizers.RequiredInput;

    /// <summary>How a mask is spelled in a text, <c>[MASK]</c> for BERT.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one without a mask.</exception>
    public string MaskSpelling => Tokenizer.TokenText(MaskToken);

    private int MaskToken => Tokenizer.Special.Mask is { } mask && (uint)mask < (uint)Tokenizer.VocabularySize
        ? mask : throw new UnsupportedModelException("filling masks with a vocabulary that has none ('tokenizer.ggml.mask_token_id' is not in the file)", ["vocabularies with a mask token"]);

    /// <summary>Loads a model.</summary>
    /// <param name="path">A GGUF file; of a split model any part.</param>
    /// <param name="options">Sizes and names; null: every default. A step has at least as many rows as a text may have tokens.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFormatException">The file breaks its format.</exception>
    /// <exception cref="UnsupportedModelException">It has no head for masked words, or its architecture or a tensor's type is not built in.</exception>
    /// <exception cref="NativeLibraryException">The native library cannot be had.</exception>
    /// <exception cref="OutOfModelMemoryException">Weights or work space do not fit into memory.</exception>
    public static Task<MaskFiller> LoadAsync(string path, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Task.Run(
            () =>
            {
                var loaded = ModelLoader.LoadMaskFiller(path, options ?? ModelOptions.Default, MostMasks, progress, cancellationToken);
                try
                {
                    return new MaskFiller(loaded, options ?? ModelOptions.Default);
                }
                catch
                {
                    loaded.Dispose();
                    throw;
                }
            },
            cancellationToken);
    }

    /// <summary>Fills the masks of texts.</summary>
    /// <param name="texts">Each has 1 to <paramref name="masks"/> masks, spelled as <see cref="MaskSpelling"/>; other control tokens' spellings are plain text.</param>
    /// <param name="top">Candidates for each mask, 1 to the vocabulary's size; fewer come where the vocabulary holds fewer.</param>
    /// <param name="masks">The most masks that a text may have, 1 to <see cref="MostMasks"/>.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <returns>The texts in their order.</returns>
    /// <exception cref="ArgumentException">There is no text, or a number is out of range.</exception>
    /// <exception cref="MaskCountException">A text has no mask, or too many.</exception>
    /// <exception cref="ContextLengthExceededException">A text does not fit; nothing is cut off.</exception>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one without a mask.</exception>
    /// <exception cref="HearthException">The model's weights give a value that is not finite.</exception>
    public async Task<IReadOnlyList<FilledText>> FillAsync(IReadOnlyList<string> texts, int top = 5, int masks = MostMasks, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfZero(texts.Count, nameof(texts));
        ModelLoader.Checked(top, 1, Tokenizer.VocabularySize, nameof(top));
        ModelLoader.Checked(masks, 1, MostMasks, nameof(masks));
        var read = texts.Select((text, i) => Read(text, i, masks)).ToArray();
        var filled = new FilledText[texts.Count];
        await ComputeAsync(read, (text, logits) => filled[text] = Fill(texts[text], text, read[text], logits, top), cancellationToken).ConfigureAwait(false);
        return filled;
    }

    /// <summary>Frees the model's memory once the step in progress is done.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _turn.WaitAsync().ConfigureAwait(false);
        _run.Dispose();
        _program.Dispose();
        _turn.Release();
    }

    /// <summary>Computes the logits of some positions of texts.</summary>
    /// <param name="texts">At least one; each with 1 to <see cref="MostMasks"/> positions, rising.</param>
    /// <param name="receive">Gets a text's number and its logits [positions, vocabulary], valid during the call.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    internal async Task ComputeAsync(IReadOnlyList<MaskedTokens> texts, LogitsOfText receive, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            await Task.Run(() => RunSteps(texts, receive, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    // As many texts share a step as fit into it.
    private void RunSteps(IReadOnlyList<MaskedTokens> texts, LogitsOfText receive, CancellationToken cancellationToken)
    {
        float[] logits = [];
        for (var first = 0; first < texts.Count;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var end = first;
            for (; end < texts.Count && Fits(texts[end]); end++)
                _run.AppendWhole(texts[end].Tokens, texts[end].Positions);
            var size = _run.OutputRows * _run.Width;
            logits = logits.Length < size ? new float[size] : logits;
            _run.Run(logits.AsSpan(0, size));
            for (var (row, text) = (0, first); text < end; row += texts[text++].Positions.Length)
                receive(text, logits.AsSpan(row * _run.Width, texts[text].Positions.Length * _run.Width));
            first = end;
        }
    }

    private bool Fits(MaskedTokens text)
        => _run.Rows + text.Tokens.Length <= _run.MaxRows && _run.OutputRows + text.Positions.Length <= _run.MaxOutputRows;

    private MaskedTokens Read(string text, int index, int most)
    {
        ArgumentNullException.ThrowIfNull(text);
        var mask = MaskToken;
        int[] tokens = [.. Tokenizer.EncodeWith(text, mask)];
        int[] positions = [.. Enumerable.Range(0, tokens.Length).Where(i => tokens[i] == mask)];
        if (positions.Length == 0 || positions.Length > most)
            throw new MaskCountException(positions.Length, most, MaskSpelling, index);
        if (tokens.Length > Information.ContextLength)
            throw new ContextLengthExceededException(tokens.Length, Information.ContextLength, index);
        if (positions.Length > _run.MaxOutputRows)
            throw new MaskCountException(positions.Length, _run.MaxOutputRows, MaskSpelling, index);
        return new MaskedTokens(tokens, positions);
    }

    private FilledText Fill(string text, int index, MaskedTokens read, ReadOnlySpan<float> logits, int top)
    {
        if (!TensorPrimitives.IsFiniteAll(logits))
            throw new HearthException($"the model '{Information.Id}' computes a value that is not finite for text {index}; its weights are damaged, or not made for such a text");
        var masks = new FilledMask[read.Positions.Length];
        for (var i = 0; i < masks.Length; i++)
            masks[i] = new FilledMask(read.Positions[i], Best(logits.Slice(i * _run.Width, _run.Width), top));
        return new FilledText(Insert(text, masks), read.Tokens.Length, masks);
    }

    // A head may be padded beyond the vocabulary: such a row takes its share of the probability and names no token.
    private MaskCandidate[] Best(ReadOnlySpan<float> logits, int top)
    {
        var highest = TensorPrimitives.Max(logits);
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - highest);
        var best = new PriorityQueue<int, (float Logit, int Order)>(top + 1);
        for (var token = 0; token < Math.Min(logits.Length, Tokenizer.VocabularySize); token++)
        {
            // Of equals the lower id wins.
            var rank = (logits[token], -token);
            if (best.Count < top)
                best.Enqueue(token, rank);
            else
                best.EnqueueDequeue(token, rank);
        }

        var candidates = new MaskCandidate[best.Count];
        while (best.Count > 0)
        {
            var token = best.Dequeue();
            candidates[best.Count] = Describe(token, (float)(Math.Exp(logits[token] - highest) / sum));
        }

        return candidates;
    }

    private MaskCandidate Describe(int token, float probability)
    {
        var piece = Tokenizer.Decode([token], includeControl: true, continuesText: true);
        return new MaskCandidate(token, piece.TrimStart(' '), Tokenizer.KindOf(token) == TokenKind.Normal && !piece.StartsWith(' '), probability);
    }

    // What goes on with a word takes the place of the space before the mask, too.
    private string Insert(string text, FilledMask[] masks)
    {
        var parts = text.Split(MaskSpelling, masks.Length + 1);
        var filled = new StringBuilder(parts[0]);
        for (var i = 1; i < parts.Length; i++)
        {
            var best = masks[i - 1].Candidates[0];
            while (best.ContinuesWord && filled.Length > 0 && char.IsWhiteSpace(filled[^1]))
                filled.Length--;
            filled.Append(best.Text).Append(parts[i]);
        }

        return filled.ToString();
    }
}

/// <summary>Takes the logits of a text's wanted positions.</summary>
/// <param name="text">The text's number.</param>
/// <param name="logits">[positions, vocabulary]; valid during the call.</param>
internal delegate void LogitsOfText(int text, ReadOnlySpan<float> logits);

/// <summary>A text and where its masks stand.</summary>
/// <param name="Tokens">Token ids, special ones included.</param>
/// <param name="Positions">Wanted positions, rising.</param>
internal readonly record struct MaskedTokens(int[] Tokens, int[] Positions);
