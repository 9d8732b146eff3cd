namespace Hearth.Ember.Data;

/// <summary>The endless training set: dialogue number i follows from the seed and i alone.</summary>
public static class Dialogues
{
    public const int PerPool = 4096;

    // Exercises in copying are mixed in from this pool of dialogues on,
    private const long FirstCopyingPool = 34;

    // then tools that only a noun ties to the question,
    private const long FirstLookUpPool = 131;

    // and at last drills, which hold several choices for each schema read.
    private const long FirstDrillPool = 300;

    public static Dialogue Training(int seed, long index)
    {
        var draw = new Draw(unchecked(seed * 1_000_003 + (int)index * 7919), Side.Training);
        var chat = new ChatDialogues(draw);
        long pool = index / PerPool;
        var tools = new ToolDialogues(draw, chat, lookUps: pool >= FirstLookUpPool);
        if (pool >= FirstDrillPool)
        {
            double kind = draw.Int(0, 999) / 1000.0;
            return kind < 0.05 ? new CopyingDialogues(draw).Build() : kind < 0.17 ? chat.Build() : kind < 0.42 ? tools.Build() : new DrillDialogues(draw, chat, tools).Build();
        }
        if (pool >= FirstCopyingPool && draw.Chance(0.10)) return new CopyingDialogues(draw).Build();
        return draw.Chance(0.30) ? chat.Build() : tools.Build();
    }
}
