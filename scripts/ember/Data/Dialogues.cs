namespace Hearth.Ember.Data;

/// <summary>The endless training set: dialogue number i follows from the seed and i alone.</summary>
public static class Dialogues
{
    public const int PerPool = 4096;

    // Exercises in copying are mixed in from this pool of dialogues on.
    private const long FirstCopyingPool = 34;

    // And from this one on, tools that only a noun ties to the question.
    private const long FirstLookUpPool = 131;

    public static Dialogue Training(int seed, long index)
    {
        var draw = new Draw(unchecked(seed * 1_000_003 + (int)index * 7919), Side.Training);
        var chat = new ChatDialogues(draw);
        long pool = index / PerPool;
        if (pool >= FirstCopyingPool && draw.Chance(0.10)) return new CopyingDialogues(draw).Build();
        return draw.Chance(0.30) ? chat.Build() : new ToolDialogues(draw, chat, lookUps: pool >= FirstLookUpPool).Build();
    }
}
