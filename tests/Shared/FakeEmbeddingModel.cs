using Hearth.Runtime.Graphs;

namespace Hearth.Tests;

/// <summary>An embedding model without arithmetic worth the name: a token is a UTF-16 unit after a token 1 that begins every text.</summary>
internal sealed class FakeEmbeddingModel : IEmbeddingModel, IAsyncDisposable
{
    private int _running;

    /// <summary>Awaited before each answer; gets the texts' number.</summary>
    public Func<int, CancellationToken, Task> BeforeAnswer { get; set; } = (_, _) => Task.CompletedTask;

    public int ContextLength { get; init; } = 64;

    public int Dimensions { get; init; } = 6;

    public PoolingKind Pooling { get; init; } = PoolingKind.Mean;

    public ClassifierTerms? Classifier => Pooling == PoolingKind.Rank ? new([.. Enumerable.Range(0, Dimensions).Select(i => $"LABEL_{i}")], AreProbabilities: false) : null;

    /// <summary>Texts of each call so far.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<int> Calls { get; } = [];

    public bool HasVocabulary { get; init; } = true;

    public bool IsDisposed { get; private set; }

    public ModelInformation Information => new(
        "vectors", "fake", ContextLength, char.MaxValue + 1, 1000, 2000, true, new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));

    public ModelLoad Load => new(Volatile.Read(ref _running), 0, 0, 0, 0);

    public IReadOnlyList<int> Tokenize(string text)
        => HasVocabulary ? [1, .. text.Select(unit => (int)unit)] : throw new UnsupportedModelException("tokenizer 'no_vocab'", ["bert"]);

    public IReadOnlyList<int> TokenizePair(string query, string document) => [.. Tokenize(query), 2, .. document.Select(unit => (int)unit)];

    public async Task<IReadOnlyList<float[]>> EmbedAsync(IReadOnlyList<IReadOnlyList<int>> texts, bool normalize = true, CancellationToken cancellationToken = default)
    {
        Calls.Enqueue(texts.Count);
        for (var i = 0; i < texts.Count; i++)
        {
            if (texts[i].Count > ContextLength)
            {
                throw new ContextLengthExceededException(texts[i].Count, ContextLength, i);
            }
        }

        Interlocked.Increment(ref _running);
        try
        {
            await BeforeAnswer(texts.Count, cancellationToken);
            return [.. texts.Select(text => Vector(text, normalize))];
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    /// <summary>The vector of a text.</summary>
    public float[] Vector(IReadOnlyList<int> text, bool normalize = true)
    {
        var vector = new float[Dimensions];
        for (var i = 0; i < Dimensions; i++)
        {
            vector[i] = (float)text.Select((id, position) => Math.Sin((id + position) * (i + 1.25))).Sum();
        }

        var length = normalize ? MathF.Sqrt(vector.Sum(value => value * value)) : 1;
        return [.. vector.Select(value => value / length)];
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }
}
