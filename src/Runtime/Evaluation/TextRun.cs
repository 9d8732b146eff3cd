using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Loading;

namespace Hearth.Runtime.Evaluation;

/// <summary>Some texts that run through a program apart from the requests being served: where each stands, its pages, and the step that is being put together.</summary>
/// <remarks>Rows are appended and run: what a step has read counts once it ran. Not thread-safe.</remarks>
internal sealed class TextRun : IDisposable
{
    private readonly StepRunner _runner;
    private readonly Recurrence? _recurrence;
    private readonly EnginePageStore? _store;
    private readonly TextRun? _source;
    private readonly int[][] _pages;
    private readonly int[] _held;
    private readonly int[] _appended;
    private readonly StepBatch _batch = new();

    /// <summary>Takes the pages, and a state for each text where the model keeps any.</summary>
    /// <param name="program">The model; one that caches nothing takes no pages.</param>
    /// <param name="length">Positions that each text may hold at a time.</param>
    /// <param name="keyType">How keys are kept.</param>
    /// <param name="valueType">How values are kept.</param>
    /// <param name="texts">How many there are.</param>
    /// <param name="source">What an encoder read, for a decoder that attends to it; stays the caller's.</param>
    public TextRun(CompiledProgram program, int length, CacheType keyType, CacheType valueType, int texts = 1, TextRun? source = null)
    {
        var (layers, states) = (program.Program.CacheLayers, program.Program.StateWidths);
        var each = layers.Count == 0 && states.Count == 0 ? 0 : (int)(((long)length + CacheSizing.PageTokens - 1) / CacheSizing.PageTokens);
        _store = each == 0 ? null : new EnginePageStore(program.Engine, layers, CacheSizing.PageTokens, checked(each * texts), keyType, valueType, states, texts);
        _pages = [.. Enumerable.Range(0, texts).Select(text => Enumerable.Range(text * each, each).ToArray())];
        (_held, _appended) = (new int[texts], new int[texts]);
        _recurrence = program.Program.Recurrence;
        _source = source;
        _runner = new StepRunner(program, _store?.Handle, source?._store?.Handle);
    }

    /// <summary>The most rows of a step.</summary>
    public int MaxRows => _runner.MaxRows;

    /// <summary>The most output rows of a step.</summary>
    public int MaxOutputRows => _runner.MaxOutputRows;

    /// <summary>Floats of an output row.</summary>
    public int Width => _runner.VocabularySize;

    /// <summary>Rows appended since the last step.</summary>
    public int Rows => _batch.RowCount;

    /// <summary>Of them those whose output is wanted.</summary>
    public int OutputRows => _batch.OutputCount;

    /// <summary>Bytes of all pages and states.</summary>
    public long CacheBytes => _store is null ? 0 : (_store.PageBytes * _store.PageCount) + (_store.StateBytes * _store.StateCount);

    /// <summary>Positions that a text of a length holds at most, if what no later position sees is forgotten after each step.</summary>
    /// <param name="program">The model.</param>
    /// <param name="length">Positions of the text.</param>
    public static int MostHeld(CompiledProgram program, int length)
        => program.Program.Recurrence is { } recurrence ? (int)Math.Min(length, recurrence.MostHeld(program.Program.Limits.MaxRows, CacheSizing.PageTokens)) : length;

    /// <summary>Appends the next rows of a text.</summary>
    /// <param name="text">Its number.</param>
    /// <param name="tokens">At least one.</param>
    /// <param name="outputs">How many of the last rows' outputs are wanted.</param>
    public void Append(int text, ReadOnlySpan<int> tokens, int outputs)
    {
        var past = _held[text] + _appended[text];
        _batch.Add(past, tokens, _pages[text], outputs, _source is null ? [] : _source._pages[0], _source?._held[0] ?? 0, _runner.StateInPlace(text, past));
        _appended[text] += tokens.Length;
    }

    /// <summary>Appends a whole text, whose rows may see each other.</summary>
    /// <param name="tokens">At least one.</param>
    /// <param name="outputRows">The wanted rows, rising, each 0 to tokens.Length - 1; at least one.</param>
    /// <param name="text">Its number, for a program with a cache.</param>
    public void AppendWhole(ReadOnlySpan<int> tokens, ReadOnlySpan<int> outputRows, int text = 0)
        => _batch.AddText(tokens, _pages[text], outputRows, _runner.StateInPlace(text, past: 0));

    /// <summary>Runs a step of all rows that were appended.</summary>
    /// <param name="outputs">[OutputRows, Width], filled.</param>
    /// <param name="probes">What is asked of its attention; their memory stays where it is meanwhile.</param>
    public void Run(Span<float> outputs, ReadOnlySpan<NativeProbe> probes = default)
    {
        try
        {
            _runner.Run(_batch, outputs, probes);
            for (var text = 0; text < _held.Length; text++)
                _held[text] += _appended[text];
        }
        finally
        {
            _batch.Clear();
            Array.Clear(_appended);
        }
    }

    /// <summary>Goes back: the next rows of a text stand at a position again that has been run already. A state, unless it is a text's beginning again, stays as it is.</summary>
    public void Return(int text, int position)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, _held[text]);
        _held[text] = position;
    }

    /// <summary>Of a recurrent model's text lets the pages that no later position sees take its next ones.</summary>
    public void Forget(int text)
    {
        if (_recurrence?.Forgettable(_held[text], CacheSizing.PageTokens) is not (> 0 and var forgotten))
            return;
        var pages = forgotten / CacheSizing.PageTokens;
        _pages[text] = [.. _pages[text][pages..], .. _pages[text][..pages]];
        _held[text] -= forgotten;
    }

    public void Dispose() => _store?.Dispose();
}
